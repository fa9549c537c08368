"""The composed S3DIS: its layout, its classes, and that no room depends on the others."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data import S3DIS
from vision.data.datasets.s3dis import CLASSES
from vision.data.synthetic.room_layout import HEIGHTS_M
from vision.data.synthetic.s3dis import (
    HELD_OUT,
    S3DISSamples,
    area_of,
    compose_points,
    name_of,
    write_s3dis,
)
from vision.errors import ConfigError

SAMPLES = S3DISSamples(rooms=36, density=40, seed=3)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("s3dis") / "samples"
    counts = write_s3dis(folder, SAMPLES)
    assert {split: rooms for split, (rooms, _) in counts.items()} == {"train": 30, "val": 6}
    return folder


def test_it_is_read_as_s3dis(root: Path) -> None:
    data = S3DIS(root=root, voxel_size=0.1, num_workers=0)
    assert [*data.problems()] == []
    assert len(data.index("train")) == 30
    assert {*data.index("val").rooms} == {
        name_of(at) for at in range(36) if area_of(at) == HELD_OUT
    }
    assert "Area_5_conferenceRoom_1" in data.index("val").rooms


def test_every_class_occurs_on_both_sides(root: Path) -> None:
    for held_out in (False, True):
        files = [path for path in root.glob("*.npy") if ("Area_5" in path.name) == held_out]
        labels = np.concatenate([np.load(path)[:, 6] for path in files])
        shares = np.bincount(labels.astype(int), minlength=len(CLASSES)) / len(labels)
        assert len(shares) == len(CLASSES)
        assert shares.min() > 0.003, dict(zip(CLASSES, shares, strict=True))


def test_rooms_are_where_their_classes_belong(root: Path) -> None:
    for path in root.glob("*.npy"):
        rows = np.load(path)
        assert rows.dtype == np.float32
        assert rows[:, :3].min() == 0
        assert rows[:, :3].max(axis=0).max() < 6
        assert 0 <= rows[:, 3:6].min() <= rows[:, 3:6].max() <= 255
        heights = {name: rows[rows[:, 6] == CLASSES.index(name), 2] for name in CLASSES}
        floor, ceiling = np.median(heights["floor"]), np.median(heights["ceiling"])
        assert HEIGHTS_M[0] - 0.05 < ceiling - floor < HEIGHTS_M[1] + 0.05
        for name in ("chair", "sofa", "table", "clutter"):
            assert heights[name].size == 0 or heights[name].max() < ceiling
        if heights["beam"].size:
            assert heights["beam"].min() > ceiling - 0.4


def test_a_room_does_not_depend_on_their_number(root: Path, tmp_path: Path) -> None:
    write_s3dis(tmp_path / "few", S3DISSamples(rooms=6, density=40, seed=3))
    for place in (0, 4, 5):
        file = f"{name_of(place)}.npy"
        assert (tmp_path / "few" / file).read_bytes() == (root / file).read_bytes()
    other = compose_points(S3DISSamples(rooms=6, density=40, seed=4), 0)
    assert not np.array_equal(other.points, compose_points(SAMPLES, 0).points)


def test_held_out_rooms_have_other_sizes() -> None:
    def heights(held_out: bool) -> np.ndarray:
        places = [at for at in range(240) if (area_of(at) == HELD_OUT) == held_out][:30]
        found = []
        for place in places:
            room = compose_points(S3DISSamples(density=10), place)
            z = [np.median(room.points[room.label == label, 2]) for label in (0, 1)]
            found.append(z[0] - z[1])
        return np.array(found)

    low, high = HEIGHTS_M
    bands = [((one - low) / (high - low) * 7) for one in (heights(False), heights(True))]
    # Training rooms are in bands 0, 2, 4, 6, held-out rooms in 1, 3, 5, but for the noise.
    for parity, found in enumerate(bands):
        away = np.abs((found - parity) % 2 - 0.5)
        assert (away < 0.56).all(), found


@pytest.mark.parametrize("options", [{"rooms": 5}, {"density": 0}, {"seed": -1}])
def test_too_small_numbers(options: dict[str, int]) -> None:
    (name,) = options
    with refuses(ConfigError, f"{name}={options[name]}"):
        S3DISSamples(**options)
