"""The composed dataset, judged by pycocotools and by the fields of the official files."""

import contextlib
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from vision.data.formats.digits import load_digits, split_digits
from vision.data.synthetic.coco import CATEGORY_IDS, write_coco
from vision.data.synthetic.scenes import Glyphs, compose_scene
from vision.data.synthetic.splits import SceneSamples

SAMPLES = SceneSamples(train=50, val=12, test=3, seed=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco") / "samples"
    assert write_coco(folder, SAMPLES)["train"][0] == 50
    return folder


def load(root: Path, split: str) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(root / "annotations" / f"instances_{split}2017.json")


def composed(split: str) -> list:
    images, labels = load_digits(64)
    chosen = split_digits(labels)[0 if split == "train" else 1]
    glyphs = Glyphs.of(images[chosen].numpy(), labels[chosen].numpy())
    number, count = {"train": (0, SAMPLES.train), "val": (1, SAMPLES.val)}[split]
    return [
        compose_scene(np.random.default_rng([SAMPLES.seed, number, i]), glyphs)
        for i in range(count)
    ]


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_the_layout_and_the_fields_are_those_of_the_official_files(root: Path) -> None:
    assert sorted(path.name for path in root.iterdir()) == [
        "annotations",
        "samples.json",
        "test2017",
        "train2017",
        "val2017",
    ]
    content = json.loads((root / "annotations" / "instances_val2017.json").read_text())
    assert list(content) == ["info", "licenses", "images", "annotations", "categories"]
    assert {*content["info"]} == {
        "description",
        "url",
        "version",
        "year",
        "contributor",
        "date_created",
    }
    assert {*content["licenses"][0]} == {"url", "id", "name"}
    for image in content["images"]:
        assert {*image} == {
            *("license", "file_name", "coco_url", "height", "width"),
            *("date_captured", "flickr_url", "id"),
        }
        assert image["file_name"] == f"{image['id']:012d}.jpg"
    for annotation in content["annotations"]:
        assert list(annotation) == [
            *("segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "id"),
        ]
    ids = [category["id"] for category in content["categories"]]
    assert ids == list(CATEGORY_IDS)
    assert ids != list(range(ids[0], ids[0] + 10))
    assert {*content["categories"][0]} == {"supercategory", "id", "name"}


def test_images_are_as_the_file_says_and_small(root: Path) -> None:
    for split in ("train", "val"):
        images = load(root, split).imgs.values()
        files = {path.name for path in (root / f"{split}2017").iterdir()}
        assert files == {image["file_name"] for image in images}
        for image in images:
            path = root / f"{split}2017" / image["file_name"]
            assert path.stat().st_size < 30_000
            with Image.open(path) as picture:
                assert picture.size == (image["width"], image["height"])
                assert picture.mode == "RGB"


def test_the_test_images_have_no_annotations(root: Path) -> None:
    content = json.loads((root / "annotations" / "image_info_test-dev2017.json").read_text())
    assert "annotations" not in content
    assert len(content["images"]) == 3
    names = {path.name for path in (root / "test2017").iterdir()}
    assert names == {image["file_name"] for image in content["images"]}


@pytest.mark.parametrize("split", ["train", "val"])
def test_annotations_agree_with_the_masks(root: Path, split: str) -> None:
    coco = load(root, split)
    scenes = composed(split)
    for image_id, scene in zip(coco.getImgIds(), scenes, strict=True):
        annotations = coco.imgToAnns[image_id]
        for annotation, item in zip(annotations, scene.objects, strict=True):
            mask = coco.annToMask(annotation).astype(bool)
            assert (mask & item.mask).sum() / (mask | item.mask).sum() > 0.9
            assert annotation["category_id"] == CATEGORY_IDS[item.label]
            assert annotation["iscrowd"] == item.crowd
            assert annotation["area"] == pytest.approx(mask.sum(), rel=0.08, abs=8)
            stored = np.array(annotation["bbox"])
            np.testing.assert_array_equal(stored, stored.round(2))
            found = coco_mask.toBbox(coco.annToRLE(annotation))
            ends = [np.concatenate([box[:2], box[:2] + box[2:]]) for box in (stored, found)]
            assert np.abs(ends[0] - ends[1]).max() <= 1
            height, width = item.mask.shape
            assert (ends[0] >= 0).all()
            assert (ends[0] <= [width, height, width, height]).all()


def test_crowds_have_run_lengths_and_others_mostly_polygons(root: Path) -> None:
    annotations = load(root, "train").anns.values()
    crowds = [item for item in annotations if item["iscrowd"]]
    assert crowds
    for item in crowds:
        counts, size = item["segmentation"]["counts"], item["segmentation"]["size"]
        assert sum(counts) == size[0] * size[1]
        assert sum(counts[1::2]) == item["area"]
        # As in COCO: 9, three digits of the category, eight of the image.
        assert item["id"] == 900_000_000_000 + item["category_id"] * 10**8 + item["image_id"]
    others = [item["segmentation"] for item in annotations if not item["iscrowd"]]
    polygons = [shape for shape in others if isinstance(shape, list)]
    assert 0.8 < len(polygons) / len(others) < 1
    assert any(len(shape) > 1 for shape in polygons)
    assert all(len(part) >= 6 and len(part) % 2 == 0 for shape in polygons for part in shape)
    assert all(isinstance(shape["counts"], str) for shape in others if isinstance(shape, dict))


def test_numbers_are_unique_and_the_splits_share_none(root: Path) -> None:
    train, val = load(root, "train"), load(root, "val")
    assert not set(train.imgs) & set(val.imgs)
    for coco in (train, val):
        assert len(coco.anns) == len(coco.dataset["annotations"])
        assert len(coco.imgs) == len(coco.dataset["images"])
        assert set(coco.imgToAnns) <= set(coco.imgs)
    assert len(train.imgToAnns) < len(train.imgs)  # some images are empty


def test_a_scene_does_not_depend_on_their_number_but_on_the_seed(
    root: Path, tmp_path: Path
) -> None:
    write_coco(tmp_path / "fewer", SceneSamples(train=4, val=2, test=0, seed=4))
    fewer, whole = digests(tmp_path / "fewer"), digests(root)
    scenes = [name for name in fewer if name.endswith(".jpg")]
    assert len(scenes) == 6
    assert all(fewer[name] == whole[name] for name in scenes)
    write_coco(tmp_path / "other", SceneSamples(train=2, val=0, test=0, seed=5))
    assert not set(digests(tmp_path / "other").values()) & set(whole.values())
