"""Files that hold the depth of each pixel: 16-bit PNG with a scale, or floats in metres."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from vision.errors import DataError
from vision.ops.depth_scale import choose_scale
from vision.ops.exr import read_exr
from vision.ops.float_arrays import NPZ, read_floats
from vision.ops.label_images import read_labels
from vision.ops.pfm import read_pfm

PNG = ".png"
_WHAT = "depth (H, W) in metres"
_READERS: Mapping[str, Callable[[Path], np.ndarray]] = {
    ".npy": lambda path: read_floats(path, _WHAT),
    NPZ: lambda path: read_floats(path, _WHAT, key="depth"),
    ".pfm": read_pfm,
    ".exr": read_exr,
}
EXTENSIONS = (PNG, *_READERS)


def read_depth(path: Path, scale: float | None, option: str = "scale") -> np.ndarray:
    """Read a depth map.

    Args:
        path: A grey PNG file of 16 bits, or floats in metres: an `.npy` file `(H, W)`, an `.npz`
            file with one array or one named `depth`, a `.pfm` or an `.exr` file.
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
    if path.suffix != PNG:
        return read_float_depth(path)
    return read_png_depth(path) / choose_scale(path, scale, option)


def read_float_depth(path: Path) -> np.ndarray:
    """Read a depth map of floats, float64 `(H, W)`, as stored.

    Raises:
        DataError: It is absent or broken, or is an array of another kind.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise DataError(
            f"'{path}' is no depth map; expected a file of one of {', '.join(EXTENSIONS)}."
        )
    depth = reader(path)
    if depth.ndim != 2 or not depth.size:
        raise DataError(f"'{path}' has the shape {depth.shape}; expected depth (H, W).")
    return depth.astype(np.float64, copy=False)


def read_png_depth(path: Path) -> np.ndarray:
    """Read the values of a depth map in a grey PNG file of 16 bits, uint16 `(H, W)`.

    Raises:
        DataError: It is absent or broken, or does not have 16 bits.
    """
    values = read_labels(path, what="depth map")
    if values.ndim != 2 or values.dtype != np.uint16:
        kind = "RGB" if values.ndim == 3 else f"of 8 bits, {len(np.unique(values))} values"
        raise DataError(
            f"'{path}' is {kind}; expected depth in a grey PNG file of 16 bits. Write it again from"
            " its source: 8 bits do not hold it, and colours are for looking at."
        )
    return values


def check_depth(depth: np.ndarray, path: Path | str, remedy: str = "Write 0 there.") -> None:
    """Check that ground truth has no depth but finite ones and 0.

    Args:
        depth: float `(H, W)`.
        path: The file, for messages.
        remedy: What to do, for messages.

    Raises:
        DataError: A depth is negative, infinite or NaN.
    """
    wrong = ~((depth >= 0) & (depth < np.inf))
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise DataError(
            f"'{path}' has {int(wrong.sum()):,} depths that are negative, infinite or NaN, such as"
            f" {depth[row, column]} in row {row}, column {column}; expected metres, and 0 for no"
            f" reading. {remedy}"
        )
