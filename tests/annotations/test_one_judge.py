"""Training, evaluation and the check of a dataset judge a COCO file alike, and read the same."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.properties import examples
from helpers.tiny_coco import write_tiny_coco
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_tools

from vision.annotations.columns import identity
from vision.data.formats.coco import check_coco, read_coco
from vision.data.index.detection import DetectionIndex
from vision.errors import DataError
from vision.metrics.coco.evaluation import evaluate_coco
from vision.metrics.coco.files import Truth, read_truth

REMOVED = object()
NAN, INF = float("nan"), float("inf")
SIZE = [96, 128]
CORNERS = [5, 5, 40, 5, 40, 40]
NUMBERS = [0, 1, -1, 2, 3, 139, 1.0, 139.0, 0.5, NAN, INF, -INF, 1e9, 1e300, 10**25]
VALUES = [
    *(REMOVED, None, True, False, *NUMBERS, "", "0", "1", "139", "x", [], {}, [1], [[]], [None]),
    *([1, 1, 9, 9], [1.0, 1, 0, 9], [1, 1, -5, 9], [90, 60, 300, 300], [1, 1, 9], [NAN, 1, 9, 9]),
    *([1, 1, True, 9], [1, 1, "9", 9], [1e300, 1, 1e300, 9], [10**400, 1, 9, 9]),
    *([CORNERS], [CORNERS, [60, 60, 70, 60, 70, 70]], [CORNERS[:4]], [[*CORNERS, 1]], CORNERS),
    *([[*CORNERS[:5], value]] for value in (NAN, INF, "40", True, None, 1e9, 10**400, 2e5)),
    *(["5540"], [["5", "5", "40", "5", "40", "40"]]),
    *({"size": SIZE, "counts": counts} for counts in ([12288], [100, 12188], [12287], [0.5])),
    *({"size": SIZE, "counts": counts} for counts in ([-1, 12289], "0P", "", "PP", None, [True])),
    *({"size": size, "counts": [12288]} for size in ([96.0, 128], [128, 96], ["96", 128], 12288)),
    *({"size": [10**9, 10**9], "counts": [10**18]}, {"size": SIZE, "counts": [2**62] * 4}),
]
KEYS = {
    "images": ("id", "height", "width"),
    "categories": ("id", "name"),
    "annotations": (
        *("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation"),
        *("segmentation", "bbox"),
    ),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("coco")
    write_tiny_coco(root, images=4)
    return root


@st.composite
def mutations(draw: st.DrawFn) -> list[tuple[str, int, str, Any]]:
    """One or two changes: a table, an entry, a key, and what it is set to."""
    changes = []
    for _ in range(draw(st.integers(1, 2))):
        table = draw(st.sampled_from([*KEYS, "annotations", "annotations"]))
        key = draw(st.sampled_from(KEYS[table]))
        values = VALUES
        if key in ("height", "width"):  # an evaluation of boxes needs no sizes, training does
            values = [value for value in VALUES if value is not None and value is not REMOVED]
        changes.append((table, draw(st.integers(0, 3)), key, draw(st.sampled_from(values))))
    return changes


def accepted(read: Any, *arguments: Any, **options: Any) -> Any:
    """What a reader gives; None where it refuses the file with an error of the suite."""
    try:
        return read(*arguments, **options)
    except DataError:
        return None


@examples(120)
@given(changes=mutations(), masks=st.booleans())
def test_a_changed_file_is_read_alike_or_refused_by_all(
    root: Path, changes: list[tuple[str, int, str, Any]], masks: bool
) -> None:
    contents = json.loads((root / "annotations/instances_train2017.json").read_text())
    for table, row, key, value in changes:
        entry = contents[table][row % len(contents[table])]
        entry.pop(key, None)
        if value is not REMOVED:
            entry[key] = copy.deepcopy(value)
    path = root / "changed.json"
    path.write_text(json.dumps(contents))
    options = {"masks": masks, "clip_boxes": True}
    index = accepted(read_coco, path, root / "train2017", **options)
    kinds = ("bbox", "segm") if masks else ("bbox",)
    truth = accepted(read_truth, path, masks=masks)
    assert (truth is None) == (index is None)
    assert (accepted(evaluate_coco, path, [], kinds=kinds) is None) == (index is None)
    assert (check_coco(path, root / "train2017", **options).problems == []) == (index is not None)
    if index is not None:
        assert_same(index, truth, contents["annotations"], masks)


def assert_same(index: DetectionIndex, truth: Truth, rows: list[Any], masks: bool) -> None:
    """Hold what training reads against what is evaluated."""
    places = {number: row for row, number in enumerate(index.annotation_ids.tolist())}
    owners = np.repeat(index.image_ids, np.diff(index.starts))
    assert truth.image_ids == index.image_ids.tolist()
    kept = 0
    for row, one in zip(rows, truth.contents["annotations"], strict=True):
        x, y, w, h = one["bbox"]
        place = places.get(identity(row["id"]))
        height, width = truth.sizes[one["image_id"]]
        corners = np.clip([x, y, x + w, y + h], 0, [width, height, width, height])
        if place is None:  # nothing of it is left within the image
            assert min(w, h) <= 0 or min(corners[2:] - corners[:2]) < 1
            continue
        kept += 1
        assert owners[place] == one["image_id"]
        assert index.category_ids[index.labels[place]] == one["category_id"]
        np.testing.assert_allclose(index.boxes[place], corners, atol=1e-4)
        np.testing.assert_allclose(index.areas[place], one["area"], rtol=1e-6)
        assert index.crowd[place] == bool(one["iscrowd"])
        if masks:
            outline = index.segments.get(place)
            if isinstance(outline, list):
                flat = [part.ravel().tolist() for part in outline]
                outline = mask_tools.merge(mask_tools.frPyObjects(flat, height, width))
            drawn = [mask_tools.decode(mask) for mask in (outline, one["segmentation"])]
            assert (drawn[0] == drawn[1]).all()
    assert kept == len(index.boxes)


def test_the_changes_are_worth_it(root: Path) -> None:
    """Of the values some are read and some are refused, for each key."""
    contents = json.loads((root / "annotations/instances_train2017.json").read_text())
    path = root / "one.json"
    for table, keys in KEYS.items():
        for key in dict.fromkeys(keys):
            outcomes = set()
            for value in VALUES:
                changed = copy.deepcopy(contents)
                changed[table][0].pop(key, None)
                if value is not REMOVED:
                    changed[table][0][key] = value
                path.write_text(json.dumps(changed))
                outcomes.add(accepted(read_truth, path) is None)
            assert outcomes == {True, False}, (table, key)
