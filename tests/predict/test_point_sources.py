"""Clouds of points in files, folders, patterns and memory."""

from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_points import room

from vision.data.transforms.clouds import Cloud
from vision.errors import ConfigError, DataError, ImageError
from vision.ops.ply import write_ply
from vision.predict.point_sources import PointSources

SOURCES = PointSources()


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    rows = room(0)
    (tmp_path / "b").mkdir()
    np.save(tmp_path / "b" / "hall.npy", rows)
    write_ply(tmp_path / "a.ply", rows[:, :3], rows[:, 3:6].astype(np.uint8))
    (tmp_path / "notes.txt").write_text("no points")
    return tmp_path


def test_files_are_found_in_every_form(rooms: Path) -> None:
    files = [str(rooms / "a.ply"), str(rooms / "b" / "hall.npy")]
    assert [one.path for one in SOURCES.listed(rooms)] == files
    assert [one.path for one in SOURCES.listed(str(rooms / "b" / "*"))] == files[1:]
    assert [one.path for one in SOURCES.listed([files[1], rooms])] == [files[1], *files]
    assert [one.index for one in SOURCES.listed([files[1], rooms])] == [0, 1, 2]
    assert SOURCES.named(rooms) == {"a.ply": files[0], "b/hall.npy": files[1]}
    assert [*SOURCES.named(files)] == ["a.ply", "b/hall.npy"]
    assert [*SOURCES.named(files[1])] == ["hall.npy"]
    assert SOURCES.stem("b/hall.npy") == "b/hall"
    assert SOURCES.may_be_one(files[0])
    assert not SOURCES.may_be_one(rooms)


def test_points_are_those_of_the_file_or_of_memory(rooms: Path) -> None:
    (unread,) = SOURCES.listed(rooms / "b")
    cloud = unread.read()
    assert np.array_equal(cloud.points, room(0)[:, :3])
    (memory,) = SOURCES.listed(Cloud(cloud.points))
    assert (memory.path, memory.name) == (None, "cloud 0")
    assert memory.read().points is cloud.points


def test_what_holds_no_points_is_refused(rooms: Path) -> None:
    with refuses(ConfigError, "ndarray", ".ply"):
        list(SOURCES.listed(np.zeros((4, 3))))
    with refuses(DataError, "no points", "1 .txt"):
        (rooms / "empty").mkdir()
        (rooms / "empty" / "a.txt").write_text("")
        SOURCES.named(rooms / "empty")
    with refuses(DataError, "no file of points matches", "*.txt"):
        list(SOURCES.listed(str(rooms / "*.txt")))
    with refuses(DataError, "there is no", "absent.ply"):
        SOURCES.named(rooms / "absent.ply")
    (rooms / "bad.ply").write_bytes(b"ply\n")
    bad = next(iter(SOURCES.listed(rooms / "bad.ply")))
    with refuses(ImageError, "bad.ply"):
        bad.read()


def test_files_of_labels_are_left_out_of_folders_and_patterns(rooms: Path) -> None:
    np.save(rooms / "b" / "hall.labels.npy", np.zeros(300, np.int64))
    assert [*SOURCES.named(rooms)] == ["a.ply", "b/hall.npy"]
    assert [*SOURCES.named(str(rooms / "b" / "*.npy"))] == ["hall.npy"]
