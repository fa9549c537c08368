"""Databases of objects: what is written is read, and what does not fit is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.formats.object_database import StoredObject, read_database, write_database
from vision.errors import DataError

NAMES = ("Pedestrian", "Car")


def objects(count: int = 5) -> list[StoredObject]:
    rng = np.random.default_rng(0)
    return [
        StoredObject(
            class_name=NAMES[i % 2],
            sweep=f"{i:06d}",
            level=i % 4,
            box=rng.normal(size=7),
            points=rng.normal(size=(i + 1, 4)).astype(np.float32),
        )
        for i in range(count)
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stored = objects()
    counts = write_database(tmp_path / "new" / "a", stored, NAMES, {"split": "train"})
    assert counts == {"Pedestrian": 3, "Car": 2}
    found = read_database(tmp_path / "new" / "a", numbers=4)
    assert len(found) == 5
    for i, one in enumerate(stored):
        assert found.class_names[found.labels[i]] == one.class_name
        assert found.levels[i] == one.level
        assert (found.boxes3d[i] == one.box).all()
        assert (found.points_of(i) == one.points).all()
    assert found.counts.tolist() == [1, 2, 3, 4, 5]


def test_the_same_objects_make_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_database(tmp_path / name, objects(), NAMES, {"split": "train"})
        write_database(tmp_path / name, objects(), NAMES, {"split": "train"})
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == [
            "objects.json",
            "points.npy",
        ]
    for name in ("objects.json", "points.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"version": 2}, ("version 1",)),
        ({"objects": []}, ("lacks its classes or its objects",)),
        ({"classes": None}, ("lacks its classes",)),
        ({"numbers": 5}, ("5 numbers", "data.numbers")),
        ({"sha256": "0"}, ("points.npy' is not the array",)),
        ({"objects": [{"class": "Tram"}]}, ("object 0", "objects.json'")),
        (
            {"objects": [{"class": "Car", "level": "easy", "box": [0] * 7, "points": 3}]},
            ("have 3 points of 4 numbers",),
        ),
        (
            {"objects": [{"class": "Car", "level": "easy", "box": [0] * 6, "points": 15}]},
            ("object 0", "6 numbers of a box"),
        ),
    ],
)
def test_broken_ones_are_named(tmp_path: Path, change: dict[str, Any], parts: tuple[str]) -> None:
    write_database(tmp_path, objects(), NAMES, {})
    index = json.loads((tmp_path / "objects.json").read_text())
    (tmp_path / "objects.json").write_text(json.dumps({**index, **change}))
    with refuses(DataError, *parts, "prepare-kitti-database"):
        read_database(tmp_path, numbers=4)


def test_absent_files_are_named(tmp_path: Path) -> None:
    with refuses(DataError, f"no database of objects '{tmp_path / 'objects.json'}'"):
        read_database(tmp_path, numbers=4)
    write_database(tmp_path, objects(), NAMES, {})
    (tmp_path / "points.npy").unlink()
    with refuses(DataError, "points.npy' is not the array", "absent"):
        read_database(tmp_path, numbers=4)
    with refuses(DataError, "no object of Pedestrian, Car has enough points"):
        write_database(tmp_path, [], NAMES, {})
