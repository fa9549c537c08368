"""The triangles of PLY files of meshes. Letters: F triangles."""

import os

import numpy as np

from vision.data.formats.ply import Element, Header, behind, read_header
from vision.errors import DataError
from vision.reading import MAX_TABLE_BYTES, read_file, shown_path

FACE = "face"
CORNERS = 3


def read_triangles(path: str | os.PathLike[str], points: int) -> np.ndarray | None:
    """Read the triangles of a mesh.

    Args:
        path: A PLY file.
        points: Number of its vertices.

    Returns:
        int64 `(F, 3)`, indices of vertices; None if it has no faces, if they are not all triangles,
        or if they have other properties.

    Raises:
        DataError: The file is absent, is no PLY file, ends before its last face, or a face has a
            vertex that is not there.
    """
    data = read_file(path, max_bytes=MAX_TABLE_BYTES, what="PLY file")
    header = read_header(data, path)
    before: list[Element] = []
    for element in header.elements:
        if element.name == FACE:
            break
        before.append(element)
    else:
        return None
    if len(element.properties) != 1 or not element.lists or not element.number:
        return None
    read = _from_text if header.is_text else _from_bytes
    found = read(data, header, before, element, path)
    if found is None:
        return None
    wrong = np.flatnonzero(((found < 0) | (found >= points)).any(axis=1))
    if len(wrong):
        raise DataError(
            f"element 'face' of {shown_path(path)}: row {wrong[0]:,} (from 0) has the vertices "
            f"{found[wrong[0]].tolist()}; expected 0 to {points - 1:,}."
        )
    return found


def _from_bytes(
    data: bytes,
    header: Header,
    before: list[Element],
    element: Element,
    path: str | os.PathLike[str],
) -> np.ndarray | None:
    at = header.size
    for one in before:
        at = behind(data, at, one, header.order, path)
    (indices,) = element.properties
    row = np.dtype(
        [
            ("count", f"{header.order}{indices.length}"),
            ("vertices", f"{header.order}{indices.kind}", CORNERS),
        ]
    )
    if len(data) - at < row.itemsize * element.number:
        behind(data, at, element, header.order, path)  # cut, if these are not smaller faces
        return None
    rows = np.frombuffer(data, row, element.number, at)
    if (rows["count"] != CORNERS).any():
        return None
    return rows["vertices"].astype(np.int64)


def _from_text(
    data: bytes,
    header: Header,
    before: list[Element],
    element: Element,
    path: str | os.PathLike[str],
) -> np.ndarray | None:
    lines = [line for line in data[header.size :].decode("latin-1").splitlines() if line.strip()]
    first = sum(one.number for one in before)
    rows = lines[first : first + element.number]
    if len(rows) < element.number:
        raise DataError(
            f"element 'face' of {shown_path(path)} has {len(rows):,} of the {element.number:,} rows"
            " that its header states: the file was cut. Copy or write it again."
        )
    if any(row.split()[0] != str(CORNERS) for row in rows):
        return None
    try:
        table = np.loadtxt(rows, dtype=np.int64, comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(
            f"element 'face' of {shown_path(path)} has a row that is not 3 and three vertices: "
            f"{error}."
        ) from error
    return table[:, 1:] if table.shape[1] == 1 + CORNERS else None
