"""Write the depth of each pixel: a PNG file of 16 bits that states its scale, or `.npy` in metres.

`vision.ops.depth_maps` reads both. Letters: H rows, W columns.
"""

import io
import os
from pathlib import Path

import numpy as np

from vision.errors import ConfigError, DataError
from vision.files import replace_file
from vision.ops.depth_scale import SCALE_KEY
from vision.ops.png_writing import encode_png

LARGEST = 2**16 - 1
# Values of one metre: millimetres, and what KITTI has for depths that do not fit.
MILLIMETRES, KITTI = 1000.0, 256.0
SUFFIXES = (".png", ".npy")


def usual_scale(max_depth: float) -> float:
    """The value of one metre in PNG files of depths up to a maximum in metres.

    1000, so that values are millimetres, up to 65.535 m; 256, as in KITTI, up to 255.99 m; else the
    largest power of two that fits.
    """
    for scale in (MILLIMETRES, KITTI):
        if max_depth * scale <= LARGEST:
            return scale
    return float(2.0 ** np.floor(np.log2(LARGEST / max_depth)))


def write_depth(
    path: str | os.PathLike[str], depth: np.ndarray, *, scale: float | None = None
) -> Path:
    """Write a depth map, whole or not at all; its folder is made.

    Args:
        path: The file: `.png` for 16 bits, whose text `SCALE_KEY` states the scale; `.npy` for
            float32 metres.
        depth: float `(H, W)` metres, 0 where there is none.
        scale: Value of one metre in a PNG file; None chooses it by `usual_scale`. Positive depths
            that would be 0 become 1.

    Returns:
        The path.

    Raises:
        ConfigError: The file has another suffix, or the scale is not positive.
        DataError: A depth is negative, not finite or too large for the scale, or the file cannot be
            written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"depth for '{path}' can be written as {' or '.join(SUFFIXES)} only.")
    if depth.ndim != 2 or not depth.size or not np.issubdtype(depth.dtype, np.floating):
        raise DataError(
            f"depth for '{path}' is {depth.dtype} {depth.shape}, expected float (H, W)."
        )
    if path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, depth.astype(np.float32))
        contents = buffer.getvalue()
    else:
        contents = encode_depth(depth, scale, str(path))
    try:
        replace_file(path, lambda place: place.write_bytes(contents))
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    return path


def encode_depth(depth: np.ndarray, scale: float | None = None, name: str = "depth") -> bytes:
    """The bytes of a PNG file; see `write_depth`.

    Args:
        depth: float `(H, W)` metres.
        scale: Value of one metre; None chooses it.
        name: What messages call it.
    """
    if not (np.isfinite(depth) & (depth >= 0)).all():
        raise DataError(
            f"'{name}' would hold depths that are negative, infinite or NaN; expected metres, and 0"
            " for none. As .npy they can be written."
        )
    largest = float(depth.max())
    scale = usual_scale(largest) if scale is None else scale
    if not 0 < scale < np.inf:
        raise ConfigError(
            f"scale={scale} for '{name}' must be a positive number of values a metre."
        )
    if largest * scale > LARGEST + 0.5:
        raise DataError(
            f"'{name}' would hold {largest:g} m, but 16 bits with {scale:g} values a metre end at"
            f" {LARGEST / scale:g} m. Choose a scale of at most {LARGEST / largest:.4g}, or .npy."
        )
    values = np.rint(depth.astype(np.float64) * scale).clip(0, LARGEST)
    values = np.where(depth > 0, np.maximum(values, 1), 0).astype(np.uint16)
    return encode_png(values, {SCALE_KEY: f"{scale!r}"})
