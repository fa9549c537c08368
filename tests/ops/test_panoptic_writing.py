"""Files in COCO's panoptic format: what was written is read again."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.refusals import refuses
from PIL import Image

from vision.annotations.panoptic import read_annotations, read_segment_ids
from vision.contracts.segments import SegmentInfo
from vision.errors import DataError
from vision.metrics.panoptic_files import evaluate_panoptic
from vision.ops.panoptic_writing import (
    annotation_of,
    categories_of,
    segment_boxes,
    write_panoptic,
    write_segment_ids,
)

IDS = np.array([[0, 7, 7, 300], [0, 7, 0, 300], [70_000, 0, 0, 0]], np.int64)
SEGMENTS: list[SegmentInfo] = [
    {"id": 7, "category_id": 1, "isthing": True},
    {"id": 300, "category_id": 0, "isthing": False},
    {"id": 70_000, "category_id": 1, "isthing": True, "iscrowd": True},
]


def test_ids_come_back_from_three_channels(tmp_path: Path) -> None:
    write_segment_ids(tmp_path / "a.png", IDS)
    assert np.array_equal(read_segment_ids(tmp_path / "a.png"), IDS)
    # As the format says: R + 256 G + 65,536 B.
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.getpixel((0, 2)) == (70_000 % 256, 70_000 // 256 % 256, 1)
    for value in (-1, 2**24):
        with refuses(DataError, "a.png", f"{value:,}", "16,777,215"):
            write_segment_ids(tmp_path / "a.png", np.full((2, 2), value))


def test_boxes_and_areas_are_those_of_the_pixels() -> None:
    assert segment_boxes(IDS, [7, 300, 70_000]) == [
        (3, [1, 0, 2, 2]),
        (2, [3, 0, 1, 2]),
        (1, [0, 2, 1, 1]),
    ]
    assert segment_boxes(IDS, [70_000]) == [(1, [0, 2, 1, 1])]


@pytest.mark.parametrize("category_ids", [None, [4, 90]])
def test_a_file_is_read_and_evaluated(tmp_path: Path, category_ids: list[int] | None) -> None:
    (tmp_path / "found").mkdir()
    write_segment_ids(tmp_path / "found" / "sub.png", IDS)
    entry = annotation_of(
        IDS, SEGMENTS, image_id=12, file_name="sub.png", category_ids=category_ids
    )
    count = write_panoptic(
        tmp_path / "found.json",
        iter([entry]),
        images=[{"id": 12, "file_name": "sub.jpg", "height": 3, "width": 4}],
        categories=categories_of(["sky", "car"], {1}, category_ids),
    )
    assert count == 1
    file = read_annotations(json.loads((tmp_path / "found.json").read_text()), "found.json")
    assert file.categories.names == ["sky", "car"]
    assert file.categories.ids.tolist() == (category_ids or [0, 1])
    assert file.things.tolist() == [False, True]
    image = file.images[12]
    assert image.size == (3, 4)
    assert image.segments.labels.tolist() == [1, 0, 1]
    assert image.segments.crowd.tolist() == [False, False, True]
    scores = evaluate_panoptic(tmp_path / "found.json", tmp_path / "found.json")
    assert scores.pq.tolist() == [1.0, 1.0]
    assert scores.true_positives.tolist() == [1, 1]
