import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import write_panoptic

from vision.data.formats.panoptic import PanopticAnnotations, check_panoptic, read_panoptic
from vision.errors import DataError


def files(root: Path) -> tuple[Path, Path, Path]:
    path = root / "annotations" / "panoptic_train2017.json"
    return path, root / "train2017", path.with_suffix("")


def rows(found: PanopticAnnotations) -> list[Any]:
    index = found.index
    return [
        (index.names[i], index.images[i], index.masks[i], index.table.get(i).ids.tolist())
        for i in range(len(index))
    ]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panoptic(tmp_path_factory.mktemp("panoptic"))


def test_images_come_by_ascending_id_whatever_the_order_of_the_file(
    root: Path, tmp_path: Path
) -> None:
    expected = rows(read_panoptic(*files(root)))
    assert [int(row[0]) for row in expected] == [3, 10, 17, 24]
    contents = json.loads(files(root)[0].read_text())
    for table in contents.values():
        table.reverse()
    path = tmp_path / "reversed.json"
    path.write_text(json.dumps(contents))
    found = read_panoptic(path, *files(root)[1:])
    assert rows(found) == expected
    assert found.things.tolist() == [True, True, False, False]
    assert found.category_ids.tolist() == [1, 3, 92, 200]


def test_the_cache_gives_the_same_without_the_file_being_parsed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = rows(read_panoptic(*files(root)))
    assert rows(read_panoptic(*files(root), cache_dir=tmp_path)) == expected
    monkeypatch.setattr("vision.data.formats.panoptic.load_json", None)
    cached = read_panoptic(*files(root), cache_dir=tmp_path)
    assert rows(cached) == expected
    assert cached.class_names == ("disc", "box", "sky", "grass")
    # Workers get the path of an array, not its values.
    assert b"/labels.npy" in pickle.dumps(cached.index.table)
    assert rows(pickle.loads(pickle.dumps(cached))) == expected


def test_colours_count_if_every_category_has_one(root: Path, tmp_path: Path) -> None:
    path, images, masks = files(root)
    contents = json.loads(path.read_text())
    for number, category in enumerate(contents["categories"]):
        category["color"] = [number, 2 * number, 255]
    own = tmp_path / "a.json"
    own.write_text(json.dumps(contents))
    assert read_panoptic(own, images, masks).colors.tolist()[2] == [2, 4, 255]
    for wrong in ([1, 2], [1, 2, 256], "red", None):
        contents["categories"][1]["color"] = wrong
        own.write_text(json.dumps(contents))
        assert read_panoptic(own, images, masks).colors is None


def test_every_problem_has_its_file_and_id(root: Path, tmp_path: Path) -> None:
    path, images, masks = files(root)
    contents = json.loads(path.read_text())
    first, second, third, fourth = contents["annotations"]
    first["segments_info"][1]["category_id"] = 5
    second["file_name"] = third["file_name"]
    contents["annotations"].remove(fourth)
    contents["images"][0]["file_name"] = "../a.png"
    own = tmp_path / "a.json"
    own.write_text(json.dumps(contents))
    checked = check_panoptic(own, images, masks)
    told = [
        ("image 3", "leads out of the folder"),
        ("image 3, segment", "category_id 5"),
        ("images 10 and 17", third["file_name"]),
        ("image 24", "no annotation"),
    ]
    assert len(checked.problems) == len(told)
    for parts in told:
        assert any(all(part in text for part in (*parts, str(own))) for text in checked.problems)
    assert checked.whole.tolist() == [1, 2]
    with refuses(DataError, str(own), "4 problems", "check-dataset"):
        read_panoptic(own, images, masks)


def test_other_files_are_refused_whole(tmp_path: Path, root: Path) -> None:
    own = tmp_path / "a.json"
    for text, part in (("[]", "holds a list"), ('{"images": []}', "no annotations"), ("{", "JSON")):
        own.write_text(text)
        checked = check_panoptic(own, root, root)
        assert part in checked.problems[0]
        assert checked.readable is None
    assert not np.any(checked.whole)
