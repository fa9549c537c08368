import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.tiny_coco import CATEGORIES, EMPTY, write_tiny_coco
from pycocotools.coco import COCO

from vision.data.formats.coco import read_coco
from vision.data.index.detection import DetectionIndex


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root)
    return root


@pytest.fixture(scope="module")
def index(root: Path) -> DetectionIndex:
    return read_coco(root / "annotations/instances_val2017.json", root / "val2017")


def test_objects_are_those_of_their_image(index: DetectionIndex) -> None:
    assert len(index) == 6
    assert sum(len(index.objects(i).rows) for i in range(6)) == len(index.boxes)
    objects = index.objects(0)
    assert objects.rows == range(0, 2)
    assert objects.crowd.tolist().count(True) == 1
    assert index.path(0).is_file()


def test_an_image_may_have_no_objects(index: DetectionIndex) -> None:
    objects = index.objects(EMPTY)
    assert objects.boxes.shape == (0, 4)
    assert len(objects.rows) == len(objects.labels) == 0


def test_objects_may_be_changed_without_changing_the_index(index: DetectionIndex) -> None:
    before = index.boxes.copy()
    index.objects(0).boxes[:] = 0
    np.testing.assert_array_equal(index.boxes, before)


def test_images_without_objects_are_left_out_and_the_others_keep_theirs(
    index: DetectionIndex,
) -> None:
    kept = index.with_objects()
    assert len(kept) == 5
    assert kept.with_objects() is kept
    places = [i for i in range(6) if i != EMPTY]
    for new, old in enumerate(places):
        assert kept.path(new) == index.path(old)
        assert kept.image_ids[new] == index.image_ids[old]
        np.testing.assert_array_equal(kept.sizes[new], index.sizes[old])
        for ours, theirs in zip(kept.objects(new), index.objects(old), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_masks_can_be_left_out(index: DetectionIndex) -> None:
    boxes = index.without_masks()
    assert index.has_masks
    assert not boxes.has_masks
    assert all(boxes.segments.get(row) is None for row in range(len(boxes.boxes)))


@pytest.mark.parametrize("through", ["arrays", "pickle"])
def test_an_index_survives(through: str, index: DetectionIndex) -> None:
    if through == "arrays":
        other = DetectionIndex.from_arrays(index.arrays(), index.folder)
    else:
        other = pickle.loads(pickle.dumps(index))
    assert other.class_names == index.class_names == tuple(CATEGORIES.values())
    assert list(other.paths) == list(index.paths)
    assert other.has_masks is True
    assert other.ground_truth() == index.ground_truth()


def test_the_ground_truth_is_the_file_to_pycocotools(
    root: Path, index: DetectionIndex, tmp_path: Path
) -> None:
    (tmp_path / "own.json").write_text(json.dumps(index.ground_truth()))
    own = COCO(tmp_path / "own.json")
    file = COCO(root / "annotations/instances_val2017.json")
    assert own.getAnnIds()
    assert sorted(own.getAnnIds()) == sorted(file.getAnnIds())
    assert own.getCatIds() == file.getCatIds()
    for number in file.getAnnIds():
        ours, theirs = own.anns[number], file.anns[number]
        for key in ("image_id", "category_id", "iscrowd", "area"):
            assert ours[key] == theirs[key]
        np.testing.assert_allclose(ours["bbox"], theirs["bbox"], atol=1e-4)
        np.testing.assert_array_equal(own.annToMask(ours), file.annToMask(theirs))
