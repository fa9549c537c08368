"""Files of points: every form gives one cloud, and what is no cloud is named."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.cloud_values import check_extent, check_full
from vision.data.formats.clouds import read_cloud
from vision.data.transforms.clouds import Cloud
from vision.errors import ConfigError, DataError, MissingPackageError
from vision.ops.ply import write_ply

RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-3, 3, (20, 3))
COLORS = RNG.integers(0, 256, (20, 3)).astype(np.uint8)
NORMALS = RNG.normal(size=(20, 3))
LABEL = RNG.integers(-1, 13, 20)
UNIT = NORMALS / np.linalg.norm(NORMALS, axis=1, keepdims=True)


def same(cloud: Cloud, *, colors: bool = True, normals: bool = True, label: bool = True) -> None:
    np.testing.assert_allclose(cloud.points, POINTS, rtol=1e-6)
    for found, truth, has in (
        (cloud.colors, COLORS, colors),
        (cloud.normals, UNIT, normals),
        (cloud.label, LABEL, label),
    ):
        assert (found is not None) == has
        if found is not None:
            np.testing.assert_allclose(found, truth, atol=1e-6)
    assert cloud.colors is None or cloud.colors.dtype == np.uint8
    assert cloud.label is None or cloud.label.dtype == np.int64


def rows(*parts: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    return np.concatenate([part.reshape(20, -1) for part in parts], axis=1).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("colors", [False, True])
@pytest.mark.parametrize(("normals", "label"), [(False, False), (False, True), (True, True)])
def test_columns_of_an_array(
    tmp_path: Path, dtype: Any, colors: bool, normals: bool, label: bool
) -> None:
    if not colors and (normals or label):
        return
    parts = [POINTS, *([COLORS] if colors else []), *([NORMALS] if normals else [])]
    np.save(tmp_path / "a.npy", rows(*parts, *([LABEL] if label else []), dtype=dtype))
    cloud = read_cloud(tmp_path / "a.npy")
    same(cloud, colors=colors, normals=normals, label=label)
    assert cloud.points.dtype == dtype


def test_arrays_by_name_and_ply(tmp_path: Path) -> None:
    arrays = {"points": POINTS, "colors": COLORS, "normals": NORMALS, "label": LABEL}
    np.savez(tmp_path / "a.npz", **arrays)
    same(read_cloud(tmp_path / "a.npz"))
    write_ply(tmp_path / "a.PLY", POINTS, COLORS, LABEL)
    same(read_cloud(tmp_path / "a.PLY"), normals=False)
    properties = [*"xyz", *("nx", "ny", "nz"), "Red", "Green", "Blue"]
    head = "".join(f"property float {name}\n" for name in properties)
    text = "\n".join(" ".join(map(str, row)) for row in rows(POINTS, NORMALS, COLORS / 255))
    start = f"ply\nformat ascii 1.0\nelement vertex 20\n{head}end_header\n"
    (tmp_path / "b.ply").write_text(start + text)
    same(read_cloud(tmp_path / "b.ply", full=1), label=False)


def test_a_file_of_a_plane_or_a_scanner_in_las(tmp_path: Path) -> None:
    laspy = pytest.importorskip("laspy")
    las = laspy.create(point_format=3, file_version="1.2")
    las.header.scales = [1e-8] * 3
    las.x, las.y, las.z = POINTS.T
    las.red, las.green, las.blue = COLORS.T.astype(np.uint16) * 256
    las.classification = LABEL % 8
    las.write(str(tmp_path / "a.las"))
    cloud = read_cloud(tmp_path / "a.las")
    same(cloud._replace(label=LABEL), normals=False)
    assert cloud.label is not None
    assert cloud.label.tolist() == (LABEL % 8).tolist()
    (tmp_path / "b.las").write_bytes(b"LASF")
    with refuses(DataError, "b.las", "LAS"):
        read_cloud(tmp_path / "b.las")


def test_without_laspy_its_install_line_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.laz").write_bytes(b"LASF")
    monkeypatch.setitem(sys.modules, "laspy", None)
    with refuses(MissingPackageError, "a.laz", "laspy", "las]"):
        read_cloud(tmp_path / "a.laz")


def changed(values: np.ndarray, place: int, value: float) -> np.ndarray:
    values = values.astype(np.float64)
    values.reshape(20, -1)[place, 0] = value
    return values


BAD: dict[str, tuple[np.ndarray, ...]] = {
    "NaN": (rows(changed(POINTS, 7, np.nan), COLORS, LABEL), "1 of 20 points", "point 7", "nan"),
    "no points": (np.zeros((0, 7)), "is empty"),
    "other columns": (rows(POINTS, LABEL), "(20, 4)", "7: x y z red green blue label"),
    "flat": (POINTS.ravel(), "(60,)"),
    "colours to 1": (rows(POINTS, COLORS / 255), "0 to 1", "full_color=1"),
    "colours above": (rows(POINTS, changed(COLORS, 3, 256)), "point 3", "0 to 255", "256"),
    "colours below": (rows(POINTS, changed(COLORS, 4, -1)), "point 4"),
    "no colour": (rows(POINTS, changed(COLORS, 5, np.nan)), "point 5", "nan"),
    "no label": (rows(POINTS, COLORS, changed(LABEL, 6, 1.5)), "1 of 20", "point 6", "1.5"),
    "no normal": (rows(POINTS, COLORS, changed(NORMALS, 2, np.inf)), "normals", "point 2"),
    "text": (np.array(["a"]), "one array of numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_values_are_named_with_their_place(tmp_path: Path, case: str) -> None:
    values, *parts = BAD[case]
    np.save(tmp_path / "a.npy", values)
    with refuses(DataError, "a.npy", *parts):
        read_cloud(tmp_path / "a.npy")


def test_colours_to_255_where_1_is_full(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", rows(POINTS, COLORS))
    with refuses(DataError, "a.npy", "not in 0 to 1", "full_color=255"):
        read_cloud(tmp_path / "a.npy", full=1)
    with refuses(ConfigError, "full_color=2", "255 or 1"):
        check_full(2)
    np.save(tmp_path / "a.npy", rows(POINTS, COLORS * 0))  # a scanner without a camera
    assert not np.any(read_cloud(tmp_path / "a.npy").colors)


def test_arrays_of_other_lengths(tmp_path: Path) -> None:
    for key, what in (("colors", "colours"), ("normals", "normals"), ("label", "labels")):
        arrays = {"points": POINTS, "colors": COLORS, "normals": NORMALS, "label": LABEL}
        np.savez(tmp_path / "a.npz", **(arrays | {key: arrays[key][:19]}))
        with refuses(DataError, "a.npz", what, "(19", "20 points"):
            read_cloud(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", xyz=POINTS)
    with refuses(DataError, "a.npz", "no array 'points'", "xyz"):
        read_cloud(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", points=POINTS.T)
    with refuses(DataError, "(3, 20)"):
        read_cloud(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_files_that_hold_something_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    whole = {"a.npy": np.save, "a.npz": np.savez}[name]
    whole(path, np.zeros((9, 7)))
    data = path.read_bytes()
    for broken in (b"", b"points", data[:40], data[: len(data) // 2]):
        path.write_bytes(broken)
        with refuses(DataError, name):
            read_cloud(path)
    with refuses(DataError, "a.txt", ".ply, .npy"):
        read_cloud(tmp_path / "a.txt")
    (tmp_path / "b.ply").write_text("ply\nformat ascii 1.0\nelement vertex 0\nend_header\n")
    with refuses(DataError, "b.ply", "'x', 'y', 'z'"):
        read_cloud(tmp_path / "b.ply")


def test_other_units_are_seen_by_the_extent() -> None:
    check_extent(POINTS, "a.ply")
    with refuses(DataError, "a.ply", "metres", "millimetres", "data.unit_m=0.001"):
        check_extent(POINTS * 1000, "a.ply")
    with refuses(DataError, "a.ply", "metres", "0.1 to 1,000"):
        check_extent(POINTS / 1000, "a.ply")
    with refuses(DataError, "a.ply", "over 0 metres", "one place"):
        check_extent(POINTS * 0, "a.ply")


def test_places_of_32_bits_far_from_the_origin_are_refused() -> None:
    far = POINTS + 5e6
    check_extent(far.astype(np.float64), "a.ply")
    with refuses(DataError, "a.ply", "5,000,00", "float32", "steps of 0.5 metres", "float64"):
        check_extent(far.astype(np.float32), "a.ply")


def test_a_file_that_is_no_array_is_told_without_advice_to_unpickle_it(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_text("x y z")
    with refuses(DataError, "a.npy", "it is text, or holds Python objects") as refusal:
        read_cloud(path)
    assert "allow_pickle" not in str(refusal.value)
