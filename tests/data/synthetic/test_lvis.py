"""The composed dataset, by the fields of the official files and the definitions of LVIS' paper."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from vision.data.synthetic.lvis import checked_for, frequency, long_tail, write_lvis
from vision.data.synthetic.scenes import Scene, SceneObject
from vision.data.synthetic.splits import SceneSamples, load_glyphs


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lvis") / "samples"
    found = write_lvis(folder, SceneSamples(train=12, val=6, test=1, size=96, seed=2))
    assert {split: images for split, (images, _) in found.items()} == {
        "train": 12,
        "val": 6,
        "test": 1,
    }
    return folder


def load(root: Path, name: str) -> dict[str, Any]:
    return json.loads((root / "annotations" / f"lvis_v1_{name}.json").read_text())


def test_the_fields_are_those_of_the_official_files(root: Path) -> None:
    content = load(root, "val")
    assert {*content} == {"info", "licenses", "images", "annotations", "categories"}
    for image in content["images"]:
        assert {*image} == {
            *("date_captured", "neg_category_ids", "license", "height", "width", "flickr_url"),
            *("coco_url", "id", "not_exhaustive_category_ids"),
        }
    assert {*content["annotations"][0]} == {
        *("area", "id", "segmentation", "image_id", "bbox", "category_id"),
    }
    assert {*content["categories"][0]} == {
        *("frequency", "synset", "synonyms", "id", "def", "name", "image_count"),
        "instance_count",
    }
    assert "annotations" not in load(root, "image_info_test_dev")


def test_images_lie_where_their_urls_say_also_in_the_folder_of_training(root: Path) -> None:
    folders = Counter()
    for name in ("train", "val", "image_info_test_dev"):
        for image in load(root, name)["images"]:
            folder, file = image["coco_url"].split("/")[-2:]
            assert (root / folder / file).is_file()
            folders[name, folder] += 1
    assert folders["val", "train2017"] == 1
    assert folders["val", "val2017"] == 5


def test_counts_and_letters_are_those_of_the_annotations(root: Path) -> None:
    train, val = load(root, "train"), load(root, "val")
    pairs = {(one["image_id"], one["category_id"]) for one in train["annotations"]}
    images = Counter(category for _, category in pairs)
    for category, other in zip(train["categories"], val["categories"], strict=True):
        count = images[category["id"]]
        assert category["image_count"] == count
        assert category["frequency"] == other["frequency"]
        assert category["frequency"] == ("r" if count <= 10 else "c" if count <= 100 else "f")
    assert [frequency(count) for count in (0, 10, 11, 100, 101)] == ["r", "r", "c", "c", "f"]


def test_polygons_have_the_area_and_the_box_that_are_stated(root: Path) -> None:
    content = load(root, "val")
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    for one in content["annotations"]:
        runs = coco_mask.frPyObjects(one["segmentation"], *sizes[one["image_id"]])
        merged = coco_mask.merge(runs)
        assert coco_mask.area(merged) == pytest.approx(one["area"], rel=0.1, abs=8)
        assert np.abs(coco_mask.toBbox(merged) - one["bbox"]).max() <= 2


def test_crowds_are_not_annotated_and_an_absent_class_is_listed_now_and_then() -> None:
    mask = np.ones((4, 4), dtype=bool)

    def item(label: int, crowd: bool) -> SceneObject:
        return SceneObject(label, mask, mask, 1.0, crowd, ())

    objects = (item(2, True), item(2, False), item(5, True), item(0, False))
    scene = Scene(np.zeros((4, 4, 3), np.uint8), objects, 0)
    negative: set[int] = set()
    for seed in range(30):
        lists = checked_for(scene, np.random.default_rng(seed))
        assert lists["not_exhaustive_category_ids"] == [3]
        negative |= {*lists["neg_category_ids"]}
    # Ids count from 1; classes that are there, marked or not, are never listed.
    assert negative == {2, 4, 5, 7, 8, 9, 10}


def test_the_last_classes_are_rarely_drawn() -> None:
    counts = np.bincount(long_tail(load_glyphs("train")).labels)
    shares = counts / counts.sum()
    assert (shares[:5] > 0.15).all()
    # Of about 2.8 digits in each of 2,000 scenes: 20 to 60, and 2 to 8, on average.
    assert ((shares[5:8] > 20 / 5600) & (shares[5:8] < 60 / 5600)).all()
    assert ((shares[8:] > 2 / 5600) & (shares[8:] < 8 / 5600)).all()
