"""Files that hold the surface normal of each pixel: RGB PNG of 8 or 16 bits, or `.npy`.

A component n of a PNG file is the value (n + 1) / 2 of the largest one, 255 or 65,535. Pixels
without a normal are black or of the middle grey in a PNG file, and zero or NaN in an array.

Letters: H rows, W columns.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from vision.errors import DataError, ImageError
from vision.ops.float_arrays import read_floats
from vision.ops.image_limits import check_pixels
from vision.ops.label_images import BROKEN, decode_labels
from vision.ops.png import SIGNATURE, png_fault, png_size, short_png_fault
from vision.reading import MAX_IMAGE_BYTES, read_file

EXTENSIONS = (".png", ".npy")
# A pixel is wrong if its length differs from 1 by more than the first, a file if more than the
# second of its normals are.
TOLERANCE, MAX_WRONG = 0.1, 0.01
# Larger values are no normals in any encoding.
MAX_VALUE = 1e6
# Values next to the middle of the range stand for zero.
_ZERO = 1.5
_DEPTH, _KIND, _RGB = 24, 25, 2


def read_normals(path: Path) -> np.ndarray:
    """Read a map of unit vectors.

    Args:
        path: An RGB PNG file, or a `.npy` file of floats `(H, W, 3)` or `(3, H, W)` in [-1, 1].

    Returns:
        float64 `(H, W, 3)`, of length 1 to rounding, or NaN where a pixel has no normal.

    Raises:
        DataError: The file is absent, broken, of another kind, or its vectors are not of length 1.
    """
    if path.suffix == ".npy":
        normals, encoding = _from_array(path), "x, y, z"
    else:
        normals, encoding = _from_png(path)
    lengths = np.linalg.norm(normals, axis=-1)
    known = ~np.isnan(lengths)
    wrong = np.abs(lengths[known] - 1) > TOLERANCE
    if len(wrong) and wrong.mean() > MAX_WRONG:
        raise DataError(
            f"'{path}' has vectors that are not of length 1: {wrong.mean():.0%} of its normals are"
            f" off by more than {TOLERANCE:.0%}, and their median length is"
            f" {np.median(lengths[known]):.3g}. It was read as {encoding}."
            f"{_other_encoding(normals[known])}"
        )
    return normals / lengths[..., None]


def _from_array(path: Path) -> np.ndarray:
    normals = read_floats(path, "normals (H, W, 3)")
    if normals.ndim != 3 or 3 not in (normals.shape[0], normals.shape[2]) or not normals.size:
        raise DataError(
            f"'{path}' has the shape {normals.shape}; expected normals (H, W, 3) or (3, H, W)."
        )
    if normals.shape[2] != 3:
        normals = normals.transpose(1, 2, 0)
    if (np.abs(normals) > MAX_VALUE).any():
        raise DataError(
            f"'{path}' has infinite or huge values, up to {np.nanmax(np.abs(normals)):g}; expected"
            " normals in [-1, 1], and NaN or 0 for no normal."
        )
    missing = (normals == 0).all(axis=-1) | np.isnan(normals).any(axis=-1)
    return np.where(missing[..., None], np.nan, normals)


def _from_png(path: Path) -> tuple[np.ndarray, str]:
    data = read_file(path, max_bytes=MAX_IMAGE_BYTES, error=ImageError)
    is_deep = data.startswith(SIGNATURE) and data[_DEPTH : _KIND + 1] == bytes([16, _RGB])
    values = (
        _decode_16(data, path) if is_deep else decode_labels(data, str(path), what="normal map")
    )
    if values.ndim != 3:
        raise DataError(
            f"'{path}' is a grey or palette image; expected normals in an RGB one, of 8 or 16 bits."
        )
    largest = float(np.iinfo(values.dtype).max)
    centred = 2 * values.astype(np.float64) - largest
    missing = (values == 0).all(axis=-1) | (np.abs(centred) < _ZERO).all(axis=-1)
    encoding = f"2 x value / {largest:.0f} - 1"
    return np.where(missing[..., None], np.nan, centred / largest), encoding


def _decode_16(data: bytes, path: Path) -> np.ndarray:
    """Decode an RGB PNG file of 16 bits, uint16 `(H, W, 3)`."""
    if size := png_size(data):
        check_pixels(*size, f"'{path}'")
    fault = png_fault(data)
    if not fault:
        try:
            # Pillow has no image of such pixels. It keeps the first byte of each value, or the
            # second one where the file is taken for little-endian.
            high, low = (_decode_bytes(data, order) for order in ("RGB;16B", "RGB;16L"))
            values = high.astype(np.uint16) << 8 | low
            fault = short_png_fault(data, ends_blank=not values[-1].any())
        except BROKEN as error:
            fault = str(error).partition("\n")[0].rstrip(".")
    if fault:
        raise ImageError(f"'{path}' cannot be read: {fault}. Copy or download it again.")
    return values


def _decode_bytes(data: bytes, order: str) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        image.tile = [tile._replace(args=order) for tile in image.tile]
        return np.asarray(image)


def _other_encoding(normals: np.ndarray) -> str:
    """Advice where another known encoding would give unit vectors."""
    others = {"2 x value - 1": 2 * normals - 1, "2 x value / 255 - 1": 2 * normals / 255 - 1}
    for text, vectors in others.items():
        wrong = np.abs(np.linalg.norm(vectors, axis=-1) - 1) > TOLERANCE
        if wrong.mean() <= MAX_WRONG:
            return f" It seems to be encoded, since {text} has length 1: write that."
    return " Divide the vectors by their lengths, or check that they are normals."
