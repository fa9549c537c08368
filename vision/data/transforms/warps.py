"""Rotation, shear and translation, equal to Pillow's.

Images are uint8 arrays `(3, H, W)` of contiguous RGB planes; each function returns a new one of the
same size. Pixels from outside the image are `fill`, a colour (R, G, B) in 0..255. `cubic` chooses
bicubic interpolation, with the kernel of Pillow's transforms (a = -1 in "Cubic Convolution
Interpolation", Keys, 1981), or else bilinear.

Rotations are Pillow's own. The others differ from it by one level in a few pixels in a thousand,
where a value so near an integer is truncated to either side.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

Colour = tuple[int, int, int]
# Added before truncation, so that rounding errors do not darken a uniform area.
NUDGE = np.float32(1e-3)
# Weights of the neighbouring pixels: a column for each, as a polynomial of the fraction.
LINEAR = np.array([[1, 0], [-1, 1], [0, 0], [0, 0]], dtype=np.float64)
CUBIC = np.array([[0, 1, 0, 0], [-1, 0, 1, 0], [2, -2, 1, -1], [-1, 1, -1, 1]], dtype=np.float64)


def rotate(image: np.ndarray, degrees: float, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Rotate about the centre, counter-clockwise."""
    resampling = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
    planes = Image.merge("RGB", [Image.fromarray(plane) for plane in image])
    turned = planes.rotate(degrees, resampling, fillcolor=fill)
    return np.stack([np.asarray(plane) for plane in turned.split()])


def shear_x(image: np.ndarray, factor: float, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Shift each row to the left by `factor` times its distance from the top edge."""
    shifts = factor * (np.arange(image.shape[1]) + 0.5)
    return _shift_rows(image, shifts, cubic=cubic, fill=fill)


def shear_y(image: np.ndarray, factor: float, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Shift each column upwards by `factor` times its distance from the left edge."""
    return _transposed(shear_x(_transposed(image), factor, cubic=cubic, fill=fill))


def translate_x(image: np.ndarray, share: float, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Shift the image to the left by a share of its width."""
    height, width = image.shape[1:]
    return _shift_rows(image, np.full(height, share * width), cubic=cubic, fill=fill)


def translate_y(image: np.ndarray, share: float, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Shift the image upwards by a share of its height."""
    return _transposed(translate_x(_transposed(image), share, cubic=cubic, fill=fill))


def _transposed(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(0, 2, 1))


def _shift_rows(image: np.ndarray, shifts: np.ndarray, *, cubic: bool, fill: Colour) -> np.ndarray:
    """Shift each row to the left by its own, fractional number of pixels, `(H,)`.

    A shear or a translation interpolates along one axis only: several times as fast as Pillow's
    interpolation along both. Plane by plane, the intermediate values stay in the cache.
    """
    height, width = image.shape[1:]
    whole = np.floor(shifts)
    powers = np.vander(shifts - whole, 4, increasing=True)  # 1, fraction, its square and cube
    weights = (powers @ (CUBIC if cubic else LINEAR)).astype(np.float32)  # (H, taps)
    taps = weights.shape[1]
    starts = whole.astype(np.int64) - (1 if cubic else 0)
    columns = np.arange(width, dtype=np.int32)
    bounds = np.stack([-0.5 - shifts, width - 0.5 - shifts])[..., None]  # of what is inside
    begins, ends = np.clip(np.ceil(bounds), 0, width).astype(np.int32)
    outside = (columns < begins) | (columns >= ends)

    # Pixels beyond the edge repeat the nearest one inside; shifts beyond the width show only fill.
    starts = np.clip(starts, -width - taps, width)
    left, right = max(0, -int(starts.min())), max(0, int(starts.max()) + taps - 1)
    padded = np.empty((height, left + width + right), dtype=np.uint8)
    windows = sliding_window_view(padded, width + taps - 1, axis=1)
    places = np.arange(height), left + starts

    result = np.empty_like(image)
    total, product = np.empty((2, height, width), dtype=np.float32)
    for plane, target, colour in zip(image, result, fill, strict=True):
        padded[:, :left] = plane[:, :1]
        padded[:, left : left + width] = plane
        padded[:, left + width :] = plane[:, -1:]
        rows = windows[places].astype(np.float32)
        np.multiply(rows[:, :width], weights[:, :1], out=total)
        for tap in range(1, taps):
            shifted, weight = rows[:, tap : tap + width], weights[:, tap : tap + 1]
            total += np.multiply(shifted, weight, out=product)
        total += NUDGE
        # The conversion truncates, as in Pillow.
        target[...] = np.clip(total, 0, 255, out=total)
        np.copyto(target, np.uint8(colour), where=outside)
    return result
