"""Classes of points in files: in clouds, and alone."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.point_labels import read_point_labels
from vision.errors import DataError
from vision.ops.ply import write_ply

LABELS = np.array([3, 0, 255, 1])


def test_every_form_gives_the_same_labels(tmp_path: Path) -> None:
    points = np.arange(12.0).reshape(4, 3)
    rows = np.concatenate([points, np.zeros((4, 3)), LABELS[:, None]], axis=1)
    np.save(tmp_path / "rows.npy", rows)
    np.save(tmp_path / "alone.npy", LABELS.astype(np.uint8))
    np.savez(tmp_path / "cloud.npz", points=points, label=LABELS)
    write_ply(tmp_path / "cloud.ply", points, np.zeros((4, 3), np.uint8), LABELS)
    (tmp_path / "alone.txt").write_text("3\n0\n255\n1\n")
    for file in sorted(tmp_path.iterdir()):
        found = read_point_labels(file)
        assert found.dtype == np.int64
        assert np.array_equal(found, LABELS), file


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("floats.npy", ["floats.npy", "float64", "whole numbers"]),
        ("broken.npy", ["broken.npy", "npy"]),
        ("words.txt", ["line 2", "'chair'", "whole number"]),
        ("large.txt", ["line 1", "whole number"]),
        ("bare.ply", ["bare.ply", "no label"]),
        ("a.csv", ["a.csv", ".ply"]),
        ("absent.npy", ["absent.npy"]),
    ],
)
def test_files_without_labels_are_refused(tmp_path: Path, name: str, parts: list[str]) -> None:
    np.save(tmp_path / "floats.npy", np.zeros(3))
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "words.txt").write_text("1\nchair\n")
    (tmp_path / "large.txt").write_text("9" * 30)
    write_ply(tmp_path / "bare.ply", np.zeros((1, 3)), np.zeros((1, 3), np.uint8))
    (tmp_path / "a.csv").write_text("1")
    with refuses(DataError, *parts):
        read_point_labels(tmp_path / name)
