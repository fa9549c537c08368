"""PLY files, parsed by their published format."""

import struct
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.errors import DataError
from vision.ops.ply import write_ply


@pytest.mark.parametrize("count", [0, 1, 7])
def test_points_are_parsed_from_the_file(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    points, colors = rng.normal(size=(count, 3)), rng.integers(0, 256, (count, 3)).astype(np.uint8)
    data = write_ply(tmp_path / "made" / "a.ply", points, colors).read_bytes()
    head, _, body = data.partition(b"end_header\n")
    assert head.decode().split("\n") == [
        *("ply", "format binary_little_endian 1.0", f"element vertex {count}"),
        *("property float x", "property float y", "property float z"),
        *("property uchar red", "property uchar green", "property uchar blue", ""),
    ]
    rows = list(struct.iter_unpack("<fffBBB", body))
    assert [row[:3] for row in rows] == [tuple(row) for row in points.astype(np.float32)]
    assert [row[3:] for row in rows] == [tuple(row) for row in colors]


def test_colours_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with refuses(DataError, "(4, 3)", "(5, 3)", "a.ply"):
        write_ply(tmp_path / "a.ply", np.zeros((4, 3)), np.zeros((5, 3), np.uint8))
