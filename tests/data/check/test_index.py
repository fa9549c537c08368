import json
from pathlib import Path
from typing import Any

from helpers.tiny_coco import write_tiny_coco

from vision.data.check.index import boxes_beside_outlines, files_twice
from vision.data.formats.coco import read_coco
from vision.data.index.detection import DetectionIndex


def read(folder: Path, **change: Any) -> DetectionIndex:
    """A tiny set of which the entries of a table, by their place, are changed."""
    write_tiny_coco(folder, images=4)
    path = folder / "annotations" / "instances_train2017.json"
    contents = json.loads(path.read_text())
    for table, changes in change.items():
        for place, keys in changes.items():
            contents[table][place] |= keys
    path.write_text(json.dumps(contents))
    return read_coco(path, folder / "train2017")


def test_a_sound_set_has_neither(tmp_path: Path) -> None:
    index = read(tmp_path)
    assert list(files_twice(index)) == []
    assert list(boxes_beside_outlines(index)) == []


def test_a_file_of_two_entries_is_named_with_both(tmp_path: Path) -> None:
    index = read(tmp_path, images={1: {"file_name": "000000000139.jpg"}})
    assert list(files_twice(index)) == ["images 139 and 285 have the same file '000000000139.jpg'"]


def test_boxes_that_are_not_those_of_their_outlines_are_named(tmp_path: Path) -> None:
    polygon = {"segmentation": [[10, 10, 30, 10, 30, 50, 10, 50]]}
    runs = {"segmentation": {"size": [96, 128], "counts": [0, 960, 11328]}}  # ten columns
    index = read(
        tmp_path,
        annotations={
            0: {**polygon, "image_id": 139, "bbox": [10, 10, 30, 50]},  # corners for sides: 1200
            1: {**polygon, "image_id": 139, "bbox": [60, 10, 20, 40]},
            2: {**runs, "image_id": 139, "bbox": [0, 0, 100, 96]},
            3: {**runs, "image_id": 139, "bbox": [0, 0, 10, 96]},
        },
    )
    told = list(boxes_beside_outlines(index))
    assert [text.partition(" (")[0] for text in told] == ["annotation 999966", "annotation 999983"]
    assert told[0].endswith(
        "its box [0.0, 0.0, 100.0, 96.0] and its outline, which fills [0.0, 0.0, 10.0, 96.0] "
        "(x1, y1, x2, y2), overlap by 10%"
    )
    assert told[1].endswith("overlap by 0%")
