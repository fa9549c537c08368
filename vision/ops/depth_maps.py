"""Files that hold the depth of each pixel: 16-bit PNG with a scale, or `.npy` in metres."""

from pathlib import Path

import numpy as np

from vision.errors import DataError
from vision.ops.depth_scale import choose_scale
from vision.ops.float_arrays import read_floats
from vision.ops.label_images import read_labels

EXTENSIONS = (".png", ".npy")


def read_depth(path: Path, scale: float | None, option: str = "scale") -> np.ndarray:
    """Read a depth map.

    Args:
        path: A `.npy` file of floats `(H, W)` in metres, or a grey PNG file of 16 bits.
        scale: Value of one metre in a PNG file: 256 in KITTI, 1000 in files in millimetres; None
            for files that state it.
        option: Name of the scale, for messages.

    Returns:
        float64 `(H, W)` in metres, as stored; 0 is no reading.

    Raises:
        DataError: It is absent or broken, is an array of another kind, or a PNG file that does not
            have 16 bits.
        ConfigError: It is a PNG file, and its scale is not known.
    """
    if path.suffix == ".npy":
        depth = read_floats(path, "depth (H, W) in metres")
        if depth.ndim != 2 or not depth.size:
            raise DataError(f"'{path}' has the shape {depth.shape}; expected depth (H, W).")
        return depth
    values = read_labels(path)
    if values.ndim != 2 or values.dtype != np.uint16:
        kind = "RGB" if values.ndim == 3 else f"of 8 bits, {len(np.unique(values))} values"
        raise DataError(
            f"'{path}' is {kind}; expected depth in a grey PNG file of 16 bits. Write it again from"
            " its source: 8 bits do not hold it, and colours are for looking at."
        )
    return values / choose_scale(path, scale, option)


def check_depth(depth: np.ndarray, path: Path) -> None:
    """Check that ground truth has no depth but finite ones and 0.

    Args:
        depth: float `(H, W)`.
        path: The file, for messages.

    Raises:
        DataError: A depth is negative, infinite or NaN.
    """
    wrong = ~((depth >= 0) & (depth < np.inf))
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"'{path}' has {int(wrong.sum()):,} depths that are negative, infinite or NaN, such as"
            f" {depth[row, column]} in row {row}, column {column}; expected metres, and 0 for no"
            " reading. Write 0 there."
        )
