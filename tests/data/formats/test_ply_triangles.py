"""Triangles of meshes, written here by the published format of PLY and read back."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.clouds import read_cloud
from vision.data.formats.ply_triangles import read_triangles
from vision.errors import DataError

POINTS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
TRIANGLES = [(0, 2, 1), (0, 1, 3)]
FORMS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def mesh(form: str, faces: list[tuple[int, ...]] = TRIANGLES, *, extra: str = "") -> bytes:
    lines = [f"ply\nformat {form} 1.0\nelement vertex 4"]
    lines += [f"property float {axis}" for axis in "xyz"]
    lines += [f"element face {len(faces)}\nproperty list uchar int vertex_indices{extra}"]
    head = ("\n".join(lines) + "\nend_header\n").encode()
    order = FORMS[form]
    if not order:
        rows = [" ".join(map(str, row)) for row in [*POINTS, *((len(f), *f) for f in faces)]]
        return head + "\n".join(rows).encode()
    body = b"".join(struct.pack(f"{order}3f", *point) for point in POINTS)
    return (
        head
        + body
        + b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) for face in faces)
    )


@pytest.mark.parametrize("form", FORMS)
def test_triangles_give_normals(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.ply").write_bytes(mesh(form))
    found = read_triangles(tmp_path / "a.ply", 4)
    assert found is not None
    assert found.tolist() == [[*face] for face in TRIANGLES]
    normals = read_cloud(tmp_path / "a.ply").normals
    half = 0.5**0.5
    truth = [[0, -half, -half], [0, -half, -half], [0, 0, -1], [0, -1, 0]]
    np.testing.assert_allclose(normals, truth, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_other_faces_have_no_normals(tmp_path: Path, form: str) -> None:
    for faces in ([(0, 1, 2, 3)], [(0, 2, 1), (0, 1, 3, 2)], [(0, 1), (1, 2)]):
        (tmp_path / "a.ply").write_bytes(mesh(form, faces))
        assert read_cloud(tmp_path / "a.ply").normals is None
    (tmp_path / "a.ply").write_bytes(mesh(form, []))
    assert read_triangles(tmp_path / "a.ply", 4) is None
    (tmp_path / "a.ply").write_bytes(mesh(form, extra="\nproperty uchar part"))
    assert read_triangles(tmp_path / "a.ply", 4) is None


@pytest.mark.parametrize("form", FORMS)
def test_broken_faces_are_named(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(mesh(form)[:-7])
    with refuses(DataError, "a.ply", "'face'"):
        read_cloud(path)
    path.write_bytes(mesh(form, [(0, 1, 2), (0, 4, 1)]))
    with refuses(DataError, "a.ply", "row 1", "[0, 4, 1]", "0 to 3"):
        read_cloud(path)
