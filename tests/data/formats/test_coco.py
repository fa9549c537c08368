import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses
from helpers.tiny_coco import CATEGORIES, EMPTY, FIRST_ID, write_tiny_coco
from pycocotools.coco import COCO

from vision.data.formats.coco import check_coco, read_coco
from vision.errors import DataError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root)
    return root


def contents_of(root: Path) -> dict[str, Any]:
    return json.loads((root / "annotations/instances_train2017.json").read_text())


@pytest.fixture
def changed(root: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the file again, with a change."""

    def write(change: Callable[[dict[str, Any]], object] = lambda contents: None) -> Path:
        contents = contents_of(root)
        change(contents)
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(contents))
        return path

    return write


def test_an_index_holds_what_pycocotools_reads(root: Path) -> None:
    path = root / "annotations/instances_train2017.json"
    truth = COCO(path)
    index = read_coco(path, root / "train2017")
    assert index.has_masks
    assert index.class_names == tuple(CATEGORIES.values())
    assert index.category_ids.tolist() == truth.getCatIds() == list(CATEGORIES)
    assert index.image_ids.tolist() == sorted(truth.getImgIds())
    for i, number in enumerate(index.image_ids.tolist()):
        record = truth.imgs[number]
        assert index.paths[i] == record["file_name"]
        assert index.sizes[i].tolist() == [record["height"], record["width"]]
        objects = index.objects(i)
        ids = index.annotation_ids[objects.rows.start : objects.rows.stop].tolist()
        assert ids == sorted(truth.getAnnIds([number]))
        for k, annotation in enumerate(truth.loadAnns(ids)):
            x, y, w, h = annotation["bbox"]
            np.testing.assert_allclose(objects.boxes[k], [x, y, x + w, y + h], atol=1e-4)
            assert index.category_ids[objects.labels[k]] == annotation["category_id"]
            assert objects.crowd[k] == bool(annotation["iscrowd"])
            assert objects.areas[k] == annotation["area"]
    assert len(index.objects(EMPTY).rows) == 0
    types = [index.boxes, index.labels, index.crowd, index.areas, index.sizes, index.starts]
    assert [array.dtype.name for array in types] == [
        *("float32", "int32", "bool", "float32", "int32", "int64")
    ]


def test_masks_are_read_only_if_asked_for(root: Path) -> None:
    path = root / "annotations/instances_train2017.json"
    index = read_coco(path, root / "train2017", masks=False)
    assert not index.has_masks
    assert index.segments.get(0) is None


def test_annotations_may_lack_masks_areas_and_crowd_flags(root: Path, changed) -> None:
    def change(contents: dict[str, Any]) -> None:
        for annotation in contents["annotations"]:
            for key in ("segmentation", "area", "iscrowd"):
                del annotation[key]

    index = read_coco(changed(change), root / "train2017")
    assert not index.has_masks
    assert not index.crowd.any()
    sides = index.boxes[:, 2:] - index.boxes[:, :2]
    np.testing.assert_allclose(index.areas, sides.prod(axis=1), rtol=1e-5)


@pytest.mark.parametrize("folder", ["", "train2017"])
def test_lvis_names_its_images_by_url(folder: str, root: Path, changed) -> None:
    def change(contents: dict[str, Any]) -> None:
        for image in contents["images"]:
            del image["file_name"]
            image |= {"neg_category_ids": [3], "not_exhaustive_category_ids": []}
        contents["categories"] += [
            {"id": 1000 + i, "name": f"thing_{i}", "synset": "thing.n.01", "frequency": "r"}
            for i in range(1200)
        ]
        for annotation in contents["annotations"]:
            del annotation["iscrowd"]

    index = read_coco(changed(change), root / folder)
    assert index.paths[0] == f"train2017/{FIRST_ID['train']:012d}.jpg"
    assert all(index.path(i).is_file() for i in range(len(index)))
    assert len(index.class_names) == 1203
    assert index.class_names[3] == "thing_0"


@pytest.mark.parametrize("given", ["patch0/{}", "images/v1/patch0/{}", "images/v1/{}"])
def test_folders_in_names_that_were_not_unpacked_are_left_out(
    given: str, root: Path, changed, tmp_path: Path
) -> None:
    """Objects365's names begin with images/v1, its archives with patch0."""

    def change(contents: dict[str, Any]) -> None:
        for image in contents["images"]:
            image["file_name"] = given.format(image["file_name"])

    (tmp_path / "patch0").symlink_to(root / "train2017")
    index = read_coco(changed(change), tmp_path, cache_dir=tmp_path / "cache")
    found = [index.path(i).is_file() for i in range(len(index))]
    # A folder that is not there is not guessed.
    assert set(found) == {"patch0" in given}
    assert index.paths[0].startswith("patch0/" if "patch0" in given else "images/v1/")


def test_keypoints_are_said_to_be_ignored(
    root: Path, changed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def change(contents: dict[str, Any]) -> None:
        for annotation in contents["annotations"]:
            annotation |= {"keypoints": [0] * 51, "num_keypoints": 0}

    path = changed(change)
    for _ in range(2):  # a cached start says so too
        caplog.clear()
        with caplog.at_level(logging.INFO):
            index = read_coco(path, root / "train2017", cache_dir=tmp_path / "cache")
        said = [r.getMessage() for r in caplog.records if "keypoints" in r.getMessage()]
        assert said == [f"'{path}' has keypoints, which are ignored: only boxes and masks are read"]
    assert index.has_masks


def test_a_cached_start_parses_nothing(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start() -> list[Any]:
        path = root / "annotations/instances_train2017.json"
        index = read_coco(path, root / "train2017", cache_dir=tmp_path)
        outlines = [index.segments.get(row) for row in range(len(index.boxes))]
        return [index.boxes.tolist(), index.labels.tolist(), list(index.paths), str(outlines)]

    first = start()
    monkeypatch.setattr(
        "vision.data.formats.coco._parse_whole", lambda *_, **__: pytest.fail("parsed")
    )
    assert start() == first


def test_a_list_of_images_can_be_read_to_predict_only(root: Path) -> None:
    path = root / "annotations/image_info_test-dev2017.json"
    index = read_coco(path, root / "test2017", annotated=False)
    assert len(index) == 6
    assert len(index.boxes) == 0
    assert index.class_names == tuple(CATEGORIES.values())
    with refuses(DataError, "has no 'annotations'"):
        read_coco(path, root / "test2017")


@pytest.mark.parametrize("cache", [False, True])
def test_degenerate_boxes_are_dropped_and_counted(
    cache: bool, root: Path, changed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def change(contents: dict[str, Any]) -> None:
        # Images 0 and 4 have two and three objects; their sizes are 96 x 128.
        boxes = [[5, 5, 0, 9], [5, 5, 9, -2], [5, 5, 0.5, 9], [127.5, 5, 1.2, 9]]
        for annotation, box in zip(contents["annotations"], boxes, strict=False):
            own = {"image_id": FIRST_ID["train"], "segmentation": [[1, 1, 5, 1, 5, 5]]}
            annotation |= {"bbox": box, **own}

    path = changed(change)
    cache_dir = tmp_path / "cache" if cache else None
    for _ in range(2):  # a cached start warns as the first one did
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            index = read_coco(path, root / "train2017", cache_dir=cache_dir)
        assert len(index.boxes) == len(contents_of(root)["annotations"]) - 4
        assert len(index.segments) == len(index.boxes)
        messages = [record.getMessage() for record in caplog.records]
        assert messages == [
            f"dropped 2 boxes without width or height of '{path}'",
            f"dropped 2 boxes narrower or lower than 1 pixel (within the image) of '{path}'",
        ]


def test_all_objects_have_a_mask_or_none_has(root: Path, changed) -> None:
    path = changed(lambda contents: contents["annotations"][0].update(segmentation=[]))
    message = r"1000000.* has no 'segmentation', but other.*masks: false"
    with pytest.raises(DataError, match=message):
        read_coco(path, root / "train2017")
    assert not read_coco(path, root / "train2017", masks=False).has_masks
    assert len(check_coco(path, root).problems) == 1
    assert check_coco(path, root, masks=False).problems == []


def test_boxes_out_of_their_images_are_cut_if_that_is_asked_for(
    root: Path, changed, caplog: pytest.LogCaptureFixture
) -> None:
    def change(contents: dict[str, Any]) -> None:
        contents["annotations"][0]["bbox"] = [-20, 10, 40, 400]

    path = changed(change)
    with refuses(DataError, "clip_boxes", "cuts"):
        read_coco(path, root / "train2017")
    index = read_coco(path, root / "train2017", clip_boxes=True)
    assert [0.0, 10.0, 20.0, 96.0] in index.boxes.tolist()
    assert "cut 1 boxes that reach out" in caplog.text


def test_corners_in_place_of_sides_are_named(root: Path, changed) -> None:
    def change(contents: dict[str, Any]) -> None:
        for annotation in contents["annotations"]:
            annotation["bbox"] = [60, 60, 90, 95]

    first = check_coco(changed(change), root).problems[0]
    assert "as [x1, y1, x2, y2] would be inside" in first


def test_boxes_are_clipped_within_the_tolerance(root: Path, changed) -> None:
    def change(contents: dict[str, Any]) -> None:
        contents["annotations"][0]["bbox"] = [-0.4, -1.0, 129.2, 97.9]

    index = read_coco(changed(change), root / "train2017")
    assert [0.0, 0.0, 128.0, 96.0] in index.boxes.tolist()


FIRST = FIRST_ID["train"]
OBJECT = rf"annotation 1000000 \(image {FIRST}\): "
PROBLEMS = {
    "images[0] (id 139) has no 'height'": lambda c: c["images"][0].pop("height"),
    "images[1] has no 'id'": lambda c: c["images"][1].pop("id"),
    "images: 2 entries have the id 139": lambda c: c["images"][1].update(id=139),
    "image 139: 'width' is 0": lambda c: c["images"][0].update(width=0),
    "image 139: 'height' is '96', expected": lambda c: c["images"][0].update(height="96"),
    "image 139: 'file_name' is None": lambda c: c["images"][0].update(file_name=None, coco_url=0),
    "images: the list is empty": lambda c: c.update(images=[]),
    "categories: 2 entries have the id 7": lambda c: c["categories"][0].update(id=7),
    "category 3: 'name' is 9, expected text": lambda c: c["categories"][0].update(name=9),
    "categories: the list is absent or empty": lambda c: c.pop("categories"),
    "annotations[0] (id 1000000) has no 'bbox'": lambda c: c["annotations"][0].pop("bbox"),
    "annotations: 2 entries have the id 1000000": lambda c: c["annotations"][1].update(id=10**6),
    "(image 5): its image_id 5 is not listed in 'images'": (
        lambda c: c["annotations"][0].update(image_id=5)
    ),
    "its category_id 4 is not listed in 'categories'": (
        lambda c: c["annotations"][0].update(category_id=4)
    ),
    "'bbox' is [nan, 1, 5, 5], expected finite": (
        lambda c: c["annotations"][0].update(bbox=[float("nan"), 1, 5, 5])
    ),
    "'bbox' is [1, 1, inf, 5], expected finite": (
        lambda c: c["annotations"][0].update(bbox=[1, 1, float("inf"), 5])
    ),
    "'bbox' is [1, 2, 3]": lambda c: c["annotations"][0].update(bbox=[1, 2, 3]),
    "'bbox' is [1, 2, 3, None]": lambda c: c["annotations"][0].update(bbox=[1, 2, 3, None]),
    "'bbox' is 'x'": lambda c: c["annotations"][0].update(bbox="x"),
    "lies outside the image of 128 x 96 pixels": (
        lambda c: c["annotations"][0].update(bbox=[500, 10, 20, 20])
    ),
    "reaches 12 pixels out of the image of 128 x 96": (
        lambda c: c["annotations"][0].update(bbox=[100, 10, 40, 20])
    ),
    "'area' is 'big'": lambda c: c["annotations"][0].update(area="big"),
    "a polygon has 2 points": lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4]]),
    "the mask has the size [9, 9], its image [96, 128]": (
        lambda c: c["annotations"][0].update(segmentation={"size": [9, 9], "counts": [81]})
    ),
}


@pytest.mark.parametrize("message", PROBLEMS)
def test_a_problem_is_told_with_file_and_id(message: str, root: Path, changed) -> None:
    path = changed(PROBLEMS[message])
    problems = check_coco(path, root).problems
    assert any(message in problem for problem in problems), problems
    if message.startswith(("its box", "'bbox'", "lies", "reaches", "a polygon", "the mask")):
        assert problems[0].startswith(f"annotation 1000000 (image {FIRST}): ")
        assert len(problems) == 1
    with pytest.raises(DataError) as caught:
        read_coco(path, root / "train2017", check="COCO --root x")
    assert str(path) in str(caught.value)
    assert "vision check-dataset COCO --root x` lists all" in str(caught.value)


def test_all_problems_are_listed_and_an_error_tells_the_first(root: Path, changed) -> None:
    def change(contents: dict[str, Any]) -> None:
        first, second, third, *others = contents["annotations"]
        first["category_id"] = 4
        second["image_id"] = 1
        third["bbox"] = [0, 0, 1e4, 1]
        others[0]["segmentation"] = [[1, 2]]
        others[1]["bbox"][0] = float("nan")

    path = changed(change)
    assert len(check_coco(path, root).problems) == 5
    with pytest.raises(DataError, match=r"has 5 problems:(?s:.*)and 2 more"):
        read_coco(path, root / "train2017")


def test_a_sound_file_has_no_problems(root: Path) -> None:
    path = root / "annotations/instances_train2017.json"
    found = check_coco(path, root / "train2017")
    assert found.problems == []
    assert found.annotations == len(contents_of(root)["annotations"])
    assert all(found.readable.path(i).is_file() for i in range(len(found.readable)))


def test_a_file_that_cannot_be_read_is_one_problem(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text((root / "annotations/instances_train2017.json").read_text()[:-900])
    (problem,) = check_coco(path, root).problems
    assert "looks cut off" in problem
    (problem,) = check_coco(root / "annotations/instances_train2018.json", root).problems
    assert "Did you mean 'instances_train2017.json'" in problem
