"""Write the surface normal of each pixel: an RGB PNG file of 16 bits, or `.npy`.

`vision.ops.normal_maps` reads both. Letters: H rows, W columns.
"""

import io
import os
from pathlib import Path

import numpy as np

from vision.errors import ConfigError, DataError
from vision.files import replace_file
from vision.ops.png_writing import encode_png

SUFFIXES = (".png", ".npy")
LARGEST = 2**16 - 1


def write_normals(path: str | os.PathLike[str], normals: np.ndarray) -> Path:
    """Write a map of normals, whole or not at all; its folder is made.

    Args:
        path: The file: `.png` for RGB of 16 bits, each component n as (n + 1) / 2 of 65,535; `.npy`
            for float32.
        normals: float `(H, W, 3)` unit vectors, zero or NaN where there is none: black in a PNG
            file, and zero in an array.

    Returns:
        The path.

    Raises:
        ConfigError: The file has another suffix.
        DataError: The array has another shape or type, or values outside [-1, 1], or the file
            cannot be written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"normals for '{path}' can be written as {' or '.join(SUFFIXES)} only.")
    is_float = np.issubdtype(normals.dtype, np.floating)
    if not is_float or normals.ndim != 3 or normals.shape[2] != 3 or not normals.size:
        raise DataError(
            f"normals for '{path}' are {normals.dtype} {normals.shape}, expected float (H, W, 3)."
        )
    known = np.isfinite(normals).all(axis=-1) & (normals != 0).any(axis=-1)
    vectors = np.where(known[..., None], normals, 0)
    if np.abs(vectors).max() > 1 + 1e-3:
        raise DataError(
            f"normals for '{path}' have components up to {np.abs(vectors).max():g}; expected unit"
            " vectors. Divide them by their lengths."
        )
    if path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, vectors.astype(np.float32))
        contents = buffer.getvalue()
    else:
        values = np.rint((vectors.clip(-1, 1) + 1) / 2 * LARGEST)
        contents = encode_png(np.where(known[..., None], values, 0).astype(np.uint16))
    try:
        replace_file(path, lambda place: place.write_bytes(contents))
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    return path
