"""Random distortion of the colours of an image, as recipes for segmentation do it."""

import numpy as np
import torch
from torch import Tensor

from vision.data.draws import Draws

BRIGHTNESS = 32.0  # of 255, added
CONTRAST = (0.5, 1.5)
SATURATION = (0.5, 1.5)
HUE = 36.0  # degrees
PROBABILITY = 0.5
LEVELS = np.arange(256)
# Pixels that are worked on at a time: their planes stay in the processor's cache.
CHUNK = 16384


def distort(image: Tensor, draws: Draws) -> Tensor:
    """Distort the colours of an image at random.

    The order and the ranges are those of mmsegmentation's `PhotoMetricDistortion`, which left the
    shuffle of channels out of "SSD: Single Shot MultiBox Detector", 2016, section 2.2: brightness
    by up to 32 of 255, contrast by 0.5 to 1.5, saturation by 0.5 to 1.5 and hue by up to 36
    degrees, each with probability 0.5; contrast comes before saturation and hue, or after them.
    Here values are rounded, and not cut, to whole numbers, and saturation and hue are changed in
    one step without rounding in between.

    Args:
        image: uint8 `(3, H, W)` RGB.
        draws: Random numbers.

    Returns:
        uint8 `(3, H, W)`; the input is not changed.
    """
    shift = draws.uniform(-BRIGHTNESS, BRIGHTNESS) if draws.chance(PROBABILITY) else 0.0
    contrast_first = draws.chance(0.5)
    factor = draws.uniform(*CONTRAST) if draws.chance(PROBABILITY) else 1.0
    saturation = draws.uniform(*SATURATION) if draws.chance(PROBABILITY) else 1.0
    hue = draws.uniform(-HUE, HUE) if draws.chance(PROBABILITY) else 0.0
    planes = np.ascontiguousarray(image.numpy())
    if saturation == 1 and hue == 0:
        return torch.from_numpy(shift_and_scale(planes, shift, factor))
    planes = shift_and_scale(planes, shift, factor if contrast_first else 1.0)
    planes = turn_colors(planes, saturation=saturation, hue=hue)
    return torch.from_numpy(shift_and_scale(planes, 0.0, 1.0 if contrast_first else factor))


def shift_and_scale(planes: np.ndarray, shift: float, factor: float) -> np.ndarray:
    """Add to all values, and then multiply them; both results are rounded and clipped to 0..255.

    Args:
        planes: uint8, contiguous.
        shift: What is added.
        factor: What the sum is multiplied by.

    Returns:
        uint8 of the same shape; the input itself if nothing changes.
    """
    if shift == 0 and factor == 1:
        return planes
    values = np.clip(np.rint(LEVELS + shift), 0, 255)
    table = np.clip(np.rint(values * factor), 0, 255).astype(np.uint8)
    # Bytes are looked up several times faster than NumPy does it.
    translated = bytearray(planes).translate(table.tobytes())
    return np.frombuffer(translated, dtype=np.uint8).reshape(planes.shape)


def turn_colors(planes: np.ndarray, *, saturation: float, hue: float) -> np.ndarray:
    """Change saturation and hue of the HSV colour space; the value is kept.

    Args:
        planes: uint8 `(3, H, W)` RGB, contiguous.
        saturation: Factor of the saturation, which is clipped to its range.
        hue: Degrees, -60 to 60, by which the hue turns.

    Returns:
        uint8 `(3, H, W)`.
    """
    flat = planes.reshape(3, -1)
    result = np.empty_like(flat)
    for start in range(0, flat.shape[1], CHUNK):
        part = flat[:, start : start + CHUNK]
        # As long as values are bytes, many fit into one step of the processor.
        highest = np.maximum(np.maximum(part[0], part[1]), part[2])
        spread = highest - np.minimum(np.minimum(part[0], part[1]), part[2])
        value, chroma = highest.astype(np.float32), spread.astype(np.float32)
        # Saturation is chroma / value: chroma cannot become more than value.
        wanted = np.minimum(chroma * np.float32(saturation), value)
        np.maximum(chroma, 1, out=chroma)  # where it is 0, so is all that is divided by it
        if hue == 0:
            falls = (highest - part) * (wanted / chroma)
        else:
            falls = _falls(_sextants(part, highest, chroma) + np.float32(hue / 60)) * wanted
        np.subtract(value, falls, out=falls)
        result[:, start : start + CHUNK] = np.rint(falls, out=falls)
    return result.reshape(planes.shape)


def _sextants(part: np.ndarray, highest: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """The hue of uint8 `(3, n)`: float32 `(n,)` from -1 to 5; red is 0, green 2 and blue 4."""
    red, green, blue = part
    # 255 where a channel is the highest, else 0: by such masks each pixel chooses.
    is_red = (highest == red).view(np.uint8) * np.uint8(255)
    is_green = (highest == green).view(np.uint8) * np.uint8(255) & ~is_red
    is_blue = ~(is_red | is_green)
    ahead = green & is_red | blue & is_green | red & is_blue
    behind = blue & is_red | red & is_green | green & is_blue
    peak = is_green & 2 | is_blue & 4
    sextants = np.subtract(ahead, behind, dtype=np.float32)
    sextants /= chroma
    return sextants + peak


def _falls(sextants: np.ndarray) -> np.ndarray:
    """How far below the value each channel is, in shares of the chroma: float32 `(3, n)`."""
    peaks = np.array([[0], [2], [4]], dtype=np.float32)
    # 3 - |a - 3| is the way around the circle to a channel's peak. From one sextant away on the
    # channel falls, and two sextants away it has reached its least.
    falls = np.abs(sextants - peaks)
    falls -= 3
    np.abs(falls, out=falls)
    np.subtract(2, falls, out=falls)
    np.maximum(falls, 0, out=falls)
    return np.minimum(falls, 1, out=falls)
