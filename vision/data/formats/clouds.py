"""Files of coloured points, as one class: PLY, numpy's npy and npz, and LAS.

Letters: P points.
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from vision.data.formats.cloud_values import (
    FULL,
    broken_npy,
    check_places,
    to_colors,
    to_labels,
    to_normals,
)
from vision.data.formats.ply import read_ply
from vision.data.formats.ply_triangles import read_triangles
from vision.data.transforms.clouds import Cloud
from vision.errors import DataError, MissingPackageError, listed
from vision.extras import install_line
from vision.ops.mesh_normals import vertex_normals
from vision.ops.npy_files import PARSING, map_npy
from vision.reading import MAX_TABLE_BYTES, require_file, shown_path

AXES = ("x", "y", "z")
COLORS = ("red", "green", "blue")
NORMALS = ("nx", "ny", "nz")
# Properties of PLY files that hold the class of a point, by the writers that there are.
LABELS = ("label", "scalar_label", "class", "scalar_class", "classification")
# Arrays by the number of their columns.
COLUMNS: Mapping[int, tuple[str, ...]] = {
    3: AXES,
    6: (*AXES, *COLORS),
    7: (*AXES, *COLORS, "label"),
    9: (*AXES, *COLORS, *NORMALS),
    10: (*AXES, *COLORS, *NORMALS, "label"),
}
# Keys of npz files.
KEYS = ("points", "colors", "normals", "label")
# What numpy and its unpacking raise of a broken archive.
_BROKEN = (
    *(ValueError, OSError, EOFError, KeyError, NotImplementedError, RuntimeError),
    *(AttributeError, TypeError, zipfile.BadZipFile, zlib.error),
)
# Values of LAS's colours, of 16 bits, for one of 8.
_LAS = 256

StrPath = str | os.PathLike[str]


def read_cloud(path: StrPath, *, full: float = FULL) -> Cloud:
    """Read the points of a file.

    Args:
        path: A PLY file, with x, y, z and maybe red, green, blue, nx, ny, nz and a label, where a
            mesh of triangles without nx, ny, nz has the normals of its triangles; a `.npy`
            file of rows (P, 3), (P, 6) with colours, (P, 7) with labels too, (P, 9) with colours
            and normals, or (P, 10) with labels too; a `.npz` file of `points`, `colors`, `normals`
            and `label`; or a `.las` or `.laz` file, which laspy reads.
        full: The number that stands for full brightness where colours are stored as floating-point
            numbers, 255 or 1. Whole numbers of 8 bits are what they are.

    Raises:
        DataError: The file is absent, broken, empty, of another form, or has coordinates that are
            no finite numbers, colours out of their range, or labels that are no whole numbers.
        MissingPackageError: laspy is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in READERS:
        raise DataError(
            f"{shown_path(path)} is no file of points by its name; expected {listed(READERS)}."
        )
    columns = READERS[suffix](path)
    points = check_places(columns["points"], path)
    count = len(points)
    colors, normals, label = (columns.get(key) for key in KEYS[1:])
    return Cloud(
        points,
        None if colors is None else to_colors(colors, count, path, full=full),
        None if normals is None else to_normals(normals, count, path),
        None if label is None else to_labels(label, count, path),
    )


def _read_ply(path: StrPath) -> dict[str, np.ndarray]:
    columns = {name.lower(): values for name, values in read_ply(path).items()}
    absent = [axis for axis in AXES if axis not in columns]
    if absent:
        raise DataError(
            f"element 'vertex' of {shown_path(path)} has no property {listed(map(repr, absent))}, "
            f"but {listed(columns, maximum=8) or 'none'}; expected x, y and z."
        )
    found = {"points": _stacked(columns, AXES)}
    if all(name in columns for name in COLORS):
        found["colors"] = _stacked(columns, COLORS)
    if all(name in columns for name in NORMALS):
        found["normals"] = _stacked(columns, NORMALS)
    else:
        triangles = read_triangles(path, len(found["points"]))
        if triangles is not None:
            found["normals"] = vertex_normals(found["points"], triangles)
    label = _label_column(columns)
    return found if label is None else found | {"label": label}


def read_ply_label(path: StrPath) -> np.ndarray | None:
    """The labels of the vertices of a PLY file, `(P,)`; None if it has none.

    Raises:
        DataError: It is no PLY file.
    """
    return _label_column({name.lower(): values for name, values in read_ply(path).items()})


def _label_column(columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    return next((columns[name] for name in LABELS if name in columns), None)


def _stacked(columns: Mapping[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    return np.stack([columns[name] for name in names], axis=1)


def _read_npy(path: StrPath) -> dict[str, np.ndarray]:
    require_file(path, max_bytes=MAX_TABLE_BYTES, what="file of points")
    try:
        rows = map_npy(path)
    except (ValueError, OSError, EOFError) as error:
        raise broken_npy(path, error) from error
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiu":
        raise DataError(f"{shown_path(path)} is no npy file of one array of numbers.")
    if rows.ndim != 2 or rows.shape[1] not in COLUMNS:
        forms = "; ".join(f"{count}: {' '.join(names)}" for count, names in COLUMNS.items())
        raise DataError(
            f"{shown_path(path)} has an array of shape {rows.shape}; expected a row for each point,"
            f" with columns as one of\n  {forms}."
        )
    names = COLUMNS[rows.shape[1]]
    found = {"points": rows[:, :3]}
    if COLORS[0] in names:
        found["colors"] = rows[:, 3:6]
    if NORMALS[0] in names:
        found["normals"] = rows[:, 6:9]
    return found | {"label": rows[:, -1]} if "label" in names else found


def _read_npz(path: StrPath) -> dict[str, np.ndarray]:
    require_file(path, max_bytes=MAX_TABLE_BYTES, what="file of points")
    try:
        with PARSING, np.load(path, allow_pickle=False) as archive:
            found = {key: archive[key] for key in KEYS if key in archive.files}
            others = [*archive.files]
    except _BROKEN as error:
        raise DataError(f"{shown_path(path)} is no npz file of arrays: {error}.") from error
    if "points" not in found:
        raise DataError(
            f"{shown_path(path)} has no array 'points', but {listed(others) or 'none'}; expected "
            f"{', '.join(KEYS)}, of which only the first is needed."
        )
    if found["points"].ndim != 2 or found["points"].shape[1] != 3:
        raise DataError(
            f"'points' of {shown_path(path)} has the shape {found['points'].shape}; expected "
            "(P, 3): x, y and z."
        )
    return found


def _read_las(path: StrPath) -> dict[str, np.ndarray]:
    require_file(path, max_bytes=MAX_TABLE_BYTES, what="LAS file")
    try:
        import laspy
    except ImportError as error:
        raise MissingPackageError(
            f"{shown_path(path)} is read by laspy, which is not installed. {install_line('las')}"
        ) from error
    try:
        las = laspy.read(os.fspath(path))
        names = {*las.point_format.dimension_names}
        found = {"points": np.stack([np.asarray(las[axis]) for axis in AXES], axis=1)}
        if names.issuperset(COLORS):
            colors = np.stack([np.asarray(las[name]) for name in COLORS], axis=1)
            # By the format they have 16 bits; many writers leave them at 8.
            wide = colors.size and colors.max() >= _LAS
            found["colors"] = (colors // _LAS if wide else colors).astype(np.uint8)
        found["label"] = np.asarray(las["classification"])
    except (laspy.errors.LaspyException, ValueError, OSError, EOFError) as error:
        raise DataError(f"{shown_path(path)} cannot be read as LAS: {error}.") from error
    return found


READERS: Mapping[str, Callable[[StrPath], dict[str, np.ndarray]]] = {
    ".ply": _read_ply,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".las": _read_las,
    ".laz": _read_las,
}
