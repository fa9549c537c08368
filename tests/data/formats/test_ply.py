"""PLY files, written here by their published format and read back."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.ply import read_ply
from vision.errors import DataError
from vision.ops.ply import write_ply

ROWS = [
    (0.5, -1.25, 3.0, 255, 0, 7, -4),
    (1.0, 2.0, -0.5, 1, 2, 3, 300),
    (9.5, 8.0, 7.0, 0, 0, 9, 0),
]
PROPERTIES = """property float x
property double y
property float32 z
property uchar red
property uint8 green
property uchar blue
property short label"""
FACES = "element face 2\nproperty list uchar int vertex_indices\n"


def header(form: str, before: str = "", count: int = 3, after: str = FACES) -> bytes:
    lines = f"ply\nformat {form} 1.0\ncomment made here\n{before}element vertex {count}\n"
    return f"{lines}{PROPERTIES}\n{after}end_header\n".encode()


def binary(order: str) -> bytes:
    rows = b"".join(struct.pack(f"{order}fdfBBBh", *row) for row in ROWS)
    return rows + struct.pack(f"{order}B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 0)


def text() -> bytes:
    rows = [" ".join(map(str, row)) for row in ROWS]
    return ("\n".join([*rows, "3 0 1 2", "4 0 1 2 0"]) + "\n").encode()


BODIES = {
    "ascii": text(),
    "binary_little_endian": binary("<"),
    "binary_big_endian": binary(">"),
}


@pytest.mark.parametrize("form", BODIES)
def test_vertices_are_read_in_every_encoding(tmp_path: Path, form: str) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(header(form) + BODIES[form])
    found = read_ply(path)
    assert [*found] == ["x", "y", "z", "red", "green", "blue", "label"]
    for values, truth in zip(found.values(), zip(*ROWS, strict=True), strict=True):
        assert values.tolist() == [*truth]
        assert values.dtype.isnative
    assert found["y"].dtype == np.float64
    assert found["label"].dtype.kind == "i"


@pytest.mark.parametrize("form", BODIES)
def test_elements_before_the_vertices_are_passed_over(tmp_path: Path, form: str) -> None:
    before = "element camera 1\nproperty float f\nproperty int n\n" + FACES
    order = ">" if form == "binary_big_endian" else "<"
    body = struct.pack(f"{order}fi", 1.5, 3) + struct.pack(f"{order}B3iB1i", 3, 0, 1, 2, 1, 7)
    if form == "ascii":
        body = b"1.5 3\n3 0 1 2\n1 7\n"
    path = tmp_path / "a.ply"
    path.write_bytes(header(form, before, after="") + body + BODIES[form])
    assert read_ply(path)["label"].tolist() == [-4, 300, 0]


@pytest.mark.parametrize("labelled", [False, True])
def test_what_the_suite_writes_is_read_back(tmp_path: Path, labelled: bool) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 3)).astype(np.float32)
    colors = rng.integers(0, 256, (50, 3)).astype(np.uint8)
    label = rng.integers(0, 13, 50)
    found = read_ply(write_ply(tmp_path / "a.ply", points, colors, label if labelled else None))
    np.testing.assert_array_equal(np.stack([*found.values()][:3], axis=1), points)
    np.testing.assert_array_equal(np.stack([*found.values()][3:6], axis=1), colors)
    assert ("label" in found) == labelled
    if labelled:
        np.testing.assert_array_equal(found["label"], label)


def test_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    head = header("binary_little_endian").replace(b"\n", b"\r\n")
    (tmp_path / "a.ply").write_bytes(head + binary("<"))
    assert read_ply(tmp_path / "a.ply")["label"].tolist() == [-4, 300, 0]


BROKEN = {
    "another file": (b"PNG", "no PLY file"),
    "empty": (b"", "is empty"),
    "no end": (b"ply\nformat ascii 1.0\n", "end_header"),
    "no format": (b"ply\nelement vertex 0\nend_header\n", "no line 'format'"),
    "another format": (b"ply\nformat utf8 1.0\nend_header\n", "line 2"),
    "another type": (header("ascii").replace(b"double", b"half"), "line 6"),
    "a name twice": (header("ascii").replace(b"double y", b"double x"), "line 6"),
    "below none": (header("ascii", count=-1), "line 4"),
    "no vertices": (b"ply\nformat ascii 1.0\n" + FACES.encode() + b"end_header\n", "'face'"),
    "cut text": (header("ascii", count=9) + text(), "5 of the 9 rows"),
    "a word": (header("ascii") + text().replace(b"300", b"blue"), "'vertex'", "7 numbers", "blue"),
    "a short row": (header("ascii") + text().replace(b" 300", b""), "'vertex'", "7 numbers"),
    "long rows": (header("ascii") + text().replace(b"\n", b" 1\n"), "8 numbers", "expected 7"),
    "cut": (header("binary_little_endian") + binary("<")[:60], "3 rows, 63 bytes", "60 are there"),
    "too many": (header("binary_little_endian", count=10**15) + binary("<"), "'vertex'"),
    "cut before": (
        header("binary_little_endian", FACES, after="") + b"\xff\0\0\0\0",
        *("element 'face'", "1,021 bytes"),
    ),
    "lists": (header("ascii").replace(b"float x", b"list uchar float x"), "lists as properties"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_named_with_their_element(tmp_path: Path, case: str) -> None:
    data, *parts = BROKEN[case]
    (tmp_path / "a.ply").write_bytes(data)
    with refuses(DataError, "a.ply", *parts):
        read_ply(tmp_path / "a.ply")
