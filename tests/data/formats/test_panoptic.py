import json
import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_segments import write_panoptic

from vision.annotations.panoptic import read_annotations
from vision.data.formats.panoptic import PanopticAnnotations, check_panoptic, read_panoptic
from vision.errors import DataError

ODD = (None, -1, 0, 2**24, 2**70, 1.5, True, "x", "7", "", [], {}, float("nan"), float("inf"))


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


def changed(contents: dict[str, Any], seed: int) -> dict[str, Any]:
    """A copy of annotations with a few values that are wrong or odd, removed or twice."""
    rng, made = random.Random(seed), json.loads(json.dumps(contents))
    for _ in range(rng.choice([1, 1, 3])):
        table = made[rng.choice(("images", "annotations", "annotations", "categories"))]
        row = rng.choice(table)
        if not isinstance(row, dict):
            continue
        infos = row.get("segments_info")
        if isinstance(infos, list) and infos and rng.random() < 0.7:
            table, row = infos, rng.choice(infos)
        if not isinstance(row, dict) or not row:
            continue
        key = rng.choice([*row])
        match rng.randrange(5):
            case 0:
                del row[key]
            case 1:
                table.append(row)
            case 2:
                table[rng.randrange(len(table))] = rng.choice(ODD)
            case _:
                row[key] = rng.choice(ODD)
    return made


def test_a_changed_file_is_read_alike_by_evaluation_or_refused(root: Path, tmp_path: Path) -> None:
    path, images, masks = files(root)
    contents, own = json.loads(path.read_text()), tmp_path / "a.json"
    for image in contents["annotations"]:
        for segment in image["segments_info"]:
            segment |= {"area": 9, "bbox": [0, 0, 3, 3], "note": ""}  # of which none is read
    read = 0
    for seed in range(80):
        own.write_text(json.dumps(changed(contents, seed)))
        checked = check_panoptic(own, images, masks)
        if checked.problems:
            with pytest.raises(DataError) as caught:
                read_panoptic(own, images, masks)
            assert len(str(caught.value).splitlines()) <= 8
            continue
        read += 1
        truth = read_annotations(json.loads(own.read_text()), "f")
        index = read_panoptic(own, images, masks).index
        assert [*index.names] == [str(number) for number in sorted(truth.images)]
        for place, number in enumerate(sorted(truth.images)):
            for mine, theirs in zip(
                index.table.get(place), truth.images[number].segments, strict=True
            ):
                np.testing.assert_array_equal(mine, theirs)
    assert 8 < read < 72


def test_other_files_are_refused_whole(tmp_path: Path, root: Path) -> None:
    own = tmp_path / "a.json"
    for text, part in (("[]", "holds a list"), ('{"images": []}', "no annotations"), ("{", "JSON")):
        own.write_text(text)
        checked = check_panoptic(own, root, root)
        assert part in checked.problems[0]
        assert checked.readable is None
    assert not np.any(checked.whole)
