"""Sweeps in files: what is written is read, and what cannot be a sweep is named."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.sweep_files import check_points, read_sweep
from vision.errors import DataError, ImageError

POINTS = np.random.default_rng(0).uniform(-20, 20, (50, 5)).astype("<f4")


@pytest.mark.parametrize("numbers", [3, 4, 5])
def test_points_are_read_as_written(tmp_path: Path, numbers: int) -> None:
    points = POINTS[:, :numbers]
    (tmp_path / "a.bin").write_bytes(points.tobytes())
    np.save(tmp_path / "a.npy", points.astype(np.float64))
    for name in ("a.bin", "a.npy"):
        found = read_sweep(tmp_path / name, numbers)
        assert found.dtype == np.float32
        assert (found == points).all()
        found[0] = 0  # may be written to
    assert read_sweep(tmp_path / "a.npy", None).shape == (50, numbers)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.bin", b"", ("is empty (0 bytes)", "Copy the file again")),
        ("a.bin", POINTS[:, :4].tobytes() + b"12", ("802 bytes", "multiple of 16", "50 points")),
        ("a.bin", POINTS[:2].tobytes(), ("40 bytes", "multiple of 16")),
        ("a.npy", b"no array", ("is not an array", "numpy.save")),
    ],
)
def test_broken_files_are_named(
    tmp_path: Path, name: str, content: bytes, parts: tuple[str, ...]
) -> None:
    (tmp_path / name).write_bytes(content)
    with refuses(ImageError, f"sweep '{tmp_path / name}'", *parts):
        read_sweep(tmp_path / name)


@pytest.mark.parametrize(
    "array", [np.zeros((5, 2)), np.zeros((5, 3)), np.zeros(12), np.zeros((5, 4), int)]
)
def test_arrays_of_another_form_are_named(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    with refuses(ImageError, f"holds {array.dtype} {array.shape}", "expected floats (P, 4)"):
        read_sweep(tmp_path / "a.npy")


def test_absent_files_are_named(tmp_path: Path) -> None:
    with refuses(ImageError, "sweep", "a.bin"):
        read_sweep(tmp_path / "a.bin")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda p: p[:0], ("has no point",)),
        (lambda p: put(p, 3, 1, np.nan), ("y of point 3", "nan", "1 point of 50")),
        (lambda p: put(p, 49, 2, np.inf), ("z of point 49", "inf")),
        (lambda p: put(p, 2, 3, np.nan), ("number 4 of point 2",)),
        (lambda p: p * 1000, ("span", "expected metres", "1,000 at most", "divide")),
        (lambda p: put(put(p, 0, 0, 3e38), 1, 0, -3e38), ("span 6e+38", "1,000 at most")),
        (lambda p: p / 1000, ("span 0.0", "0.1 at least", "kilometres")),
    ],
)
def test_points_that_are_none_in_metres(change, parts: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    check_points(POINTS, "cloud 'a'")
    with refuses(DataError, "cloud 'a'", *parts):
        check_points(change(POINTS.copy()), "cloud 'a'")


def put(points: np.ndarray, row: int, column: int, value: float) -> np.ndarray:
    points[row, column] = value
    return points
