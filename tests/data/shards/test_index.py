import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.data.shards.contents import About
from vision.data.shards.forms import find_form
from vision.data.shards.index import (
    INDEX,
    SAMPLES,
    Shard,
    ShardIndex,
    has_index,
    read_index,
)
from vision.errors import DataError

PLACE = find_form("classification").place
SHARDS = [Shard("a.tar", 2, 4096), Shard("b b.tar", 0, 1024), Shard("c-1.tar", 1, 2048)]
PLACES = np.array([(512, 100, 0), (1536, 2560, 1), (512, 9, 1)], dtype=PLACE)


def write(folder: Path, index: ShardIndex) -> Path:
    for name, content in index.encode().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, ShardIndex(SHARDS, PLACES, About(("ant", "bée"), "classification")))


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> str:
    path = folder / INDEX
    table = json.loads(path.read_text())
    edit(table)
    path.write_text(json.dumps(table))
    with pytest.raises(DataError) as caught:
        read_index(str(folder))
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_an_index_is_read_as_it_was_written(folder: Path) -> None:
    index = read_index(str(folder))
    assert index.shards == tuple(SHARDS)
    assert index.class_names == ("ant", "bée")
    assert np.array_equal(index.places, PLACES)
    assert [index.shard_of(i) for i in range(3)] == [0, 0, 2]
    assert len(index) == 3
    assert has_index(str(folder))
    assert not has_index(str(folder / "nothing"))


def test_another_index_has_another_key(folder: Path) -> None:
    index = read_index(str(folder))
    assert (
        index.key == ShardIndex(SHARDS, PLACES.copy(), About(("ant", "bée"), "classification")).key
    )
    moved = PLACES.copy()
    moved["offset"][0] += 512
    for other in (
        ShardIndex(SHARDS, moved, About(("ant", "bée"), "classification")),
        ShardIndex(SHARDS, PLACES, About(("ant", "wasp"), "classification")),
        ShardIndex(
            [Shard("x.tar", 2, 4096), *SHARDS[1:]], PLACES, About(("ant", "bée"), "classification")
        ),
    ):
        assert other.key != index.key


def test_a_million_samples_take_16_megabytes(tmp_path: Path) -> None:
    count = 1_300_000
    places = np.empty(count, dtype=PLACE)
    places["offset"], places["bytes"], places["label"] = 512, 100, 0
    shards = [Shard(f"{i}.tar", count // 100, 10**6) for i in range(100)]
    index = read_index(
        str(write(tmp_path, ShardIndex(shards, places, About(("one",), "classification"))))
    )
    assert index.places.nbytes == 16 * count
    assert index.shard_of(count - 1) == 99


@pytest.mark.parametrize(
    "name", ["../a.tar", "/a.tar", "x/a.tar", "..\\a.tar", ".a.tar", "a.zip", "http://h/a.tar", ""]
)
def test_names_cannot_lead_elsewhere(folder: Path, name: str) -> None:
    message = change(folder, lambda table: table["shards"][0].update(name=name))
    assert f"{name!r} is not a shard's name" in message


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda t: t.update(version=3), "version 3"),
        (lambda t: t.update(format="wids-shard-index-v1"), "'wids-shard-index-v1'"),
        (lambda t: t.pop("shards"), "'shards' is absent"),
        (lambda t: t.update(shards=3), "not a valid index"),
        (lambda t: t["shards"][0].update(samples=1), "3 places for 2 samples"),
        (lambda t: t["shards"][0].update(samples=-1), "not a valid index"),
        (lambda t: t["shards"][2].update(bytes=520), "an image lies outside its shard"),
        (lambda t: t["classes"].pop(), "a label is outside 0..0"),
        (lambda t: t.update(places_sha256="0" * 64), "does not belong to it"),
        (lambda t: t.update(places_sha256="../x"), "places_sha256 is not a SHA-256"),
    ],
)
def test_a_wrong_index_is_named(
    folder: Path, edit: Callable[[dict[str, Any]], object], expected: str
) -> None:
    message = change(folder, edit)
    assert expected in message
    assert "vision shard index" in message


def test_absent_and_broken_files(folder: Path) -> None:
    with refuses(DataError, "nothing/index.json", "ROOT/tr"):
        read_index(str(folder / "nothing"))
    (folder / SAMPLES).unlink()
    with refuses(DataError, "index.npy", "file"):
        read_index(str(folder))
    (folder / INDEX).write_text("[")
    with refuses(DataError, "valid", "index"):
        read_index(str(folder))
