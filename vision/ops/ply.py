"""Point clouds in PLY files, binary and little endian, as common viewers read them.

"The PLY Polygon File Format", G. Turk, 1994. Letters: P points.
"""

import os
from pathlib import Path

import numpy as np

from vision.errors import DataError
from vision.files import replace_file

_ROW = [("xyz", "<f4", 3), ("rgb", "u1", 3)]


def write_ply(
    path: str | os.PathLike[str],
    points: np.ndarray,
    colors: np.ndarray,
    label: np.ndarray | None = None,
) -> Path:
    """Write points with their colours, whole or not at all; the folder is made.

    Args:
        path: The file.
        points: float `(P, 3)`, x, y and z in metres; written as float32.
        colors: uint8 `(P, 3)` RGB.
        label: Whole numbers `(P,)`, written as the property `label` of 32 bits; None writes none.

    Returns:
        The path.

    Raises:
        DataError: The shapes do not agree, or the file cannot be written.
    """
    path = Path(path)
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape:
        raise DataError(
            f"points {points.shape} and colours {colors.shape} for '{path}': expected (P, 3) both."
        )
    if label is not None and label.shape != points.shape[:1]:
        raise DataError(
            f"labels {label.shape} for '{path}': expected ({len(points)},), one for each point."
        )
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"property uchar {color}" for color in ("red", "green", "blue")]
    lines += [] if label is None else ["property int label"]
    rows = np.empty(len(points), _ROW if label is None else [*_ROW, ("label", "<i4")])
    rows["xyz"], rows["rgb"] = points, colors
    if label is not None:
        rows["label"] = label
    contents = ("\n".join([*lines, "end_header"]) + "\n").encode("ascii") + rows.tobytes()
    try:
        replace_file(path, lambda place: place.write_bytes(contents))
    except OSError as error:
        raise DataError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    return path
