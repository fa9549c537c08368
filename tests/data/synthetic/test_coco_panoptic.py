"""The composed panoptic set, read back by the reader of official files and by plain means."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vision.annotations.panoptic import check_segments, read_annotations, read_segment_ids
from vision.data.synthetic.coco_panoptic import PANOPTIC_IDS, PanopticSamples, write_coco_panoptic
from vision.data.synthetic.space_render import CLASSES, view
from vision.data.synthetic.space_splits import compose_rooms

SAMPLES = PanopticSamples(train=6, val=3, test=2, size=96, seed=2)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panoptic") / "samples"
    counts = write_coco_panoptic(folder, SAMPLES)
    assert {split: images for split, (images, _) in counts.items()} == {
        "train": 6,
        "val": 3,
        "test": 2,
    }
    assert counts["train"][1] > 6 * 2
    assert counts["test"][1] == 0
    return folder


def content(root: Path, split: str) -> dict:
    return json.loads((root / "annotations" / f"panoptic_{split}2017.json").read_text())


def test_the_files_are_those_of_the_release(root: Path) -> None:
    assert sorted(path.name for path in (root / "annotations").iterdir()) == [
        "image_info_test-dev2017.json",
        "panoptic_train2017",
        "panoptic_train2017.json",
        "panoptic_val2017",
        "panoptic_val2017.json",
    ]
    for split, count in (("train", 6), ("val", 3)):
        found = content(root, split)
        assert list(found) == ["info", "licenses", "images", "annotations", "categories"]
        assert len(found["images"]) == count
        for image, annotation in zip(found["images"], found["annotations"], strict=True):
            assert annotation["image_id"] == image["id"]
            with Image.open(root / f"{split}2017" / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"]) == (96, 72)
        assert [(one["id"], one["name"], one["isthing"]) for one in found["categories"]] == [
            (number, name, int(place < 10))
            for place, (number, name) in enumerate(zip(PANOPTIC_IDS, CLASSES, strict=True))
        ]
    tests = json.loads((root / "annotations" / "image_info_test-dev2017.json").read_text())
    assert "annotations" not in tests
    assert len(list((root / "test2017").glob("*.jpg"))) == len(tests["images"]) == 2


@pytest.mark.parametrize("split", ["train", "val"])
def test_segments_are_those_of_the_rooms(root: Path, split: str) -> None:
    found = content(root, split)
    file = read_annotations(found, split)
    folder = root / "annotations" / f"panoptic_{split}2017"
    rooms = compose_rooms(SAMPLES, split)
    for (number, image), room, entry in zip(
        file.images.items(), rooms, found["annotations"], strict=True
    ):
        ids = read_segment_ids(folder / image.file_name)
        check_segments(ids, image.segments, number, folder / image.file_name)
        labels = np.full(ids.shape, 255)
        for one, label in zip(image.segments.ids, image.segments.labels, strict=True):
            labels[ids == one] = label
        seen = view(room.world)
        assert np.array_equal(labels, seen.labels)
        masks = {item.mask.tobytes() for item in seen.objects}
        for segment in entry["segments_info"]:
            mask = ids == segment["id"]
            rows, columns = np.nonzero(mask)
            x, y = int(columns.min()), int(rows.min())
            box = [x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y]
            assert (segment["area"], segment["bbox"]) == (len(rows), box)
            masks -= {mask.tobytes()}
        assert not masks  # each sticker is a segment of its own


def test_ids_fill_all_three_bytes(root: Path) -> None:
    ids = [
        one["id"] for row in content(root, "train")["annotations"] for one in row["segments_info"]
    ]
    assert min(ids) > 0
    assert max(ids) > 2**16
