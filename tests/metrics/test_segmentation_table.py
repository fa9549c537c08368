import json
import math

import numpy as np
import pytest

from vision.metrics.segmentation_table import SegmentationScores

# Three of four classes have pixels; "sky" is predicted and never right, "void" is nowhere.
CONFUSION = np.array([[6, 2, 0, 0], [1, 4, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
NAMES = ("road", "car", "sky", "void")


def result(*, names: tuple[str, ...] | None = NAMES, boundary: bool = True) -> SegmentationScores:
    pairs = np.zeros((256, 256), np.int64)
    pairs[0, 0], pairs[0, 255], pairs[255, 0], pairs[1, 0] = 2, 1, 3, 2
    return SegmentationScores(
        confusion=CONFUSION,
        boundary_pairs=pairs if boundary else None,
        class_names=names,
        images=2,
    )


def test_areas_are_those_of_the_matrix() -> None:
    areas = result().areas
    assert areas.intersection.tolist() == [6, 4, 0, 0]
    assert areas.union.tolist() == [9, 8, 1, 0]
    assert areas.predicted.tolist() == [7, 6, 1, 0]
    assert areas.labelled.tolist() == [8, 6, 0, 0]


def test_numbers_leave_out_absent_classes() -> None:
    found = result()
    np.testing.assert_equal(found.iou, [6 / 9, 4 / 8, 0, math.nan])
    np.testing.assert_equal(found.accuracy, [6 / 8, 4 / 6, math.nan, math.nan])
    np.testing.assert_equal(found.boundary_iou, [2 / 8, 0, math.nan, math.nan])
    np.testing.assert_equal(found.share, [8 / 14, 6 / 14, 0, 0])
    assert found.scalars() == {
        "mIoU": (6 / 9 + 4 / 8 + 0) / 3,
        "mAcc": (6 / 8 + 4 / 6) / 2,
        "aAcc": 10 / 14,
        "mBIoU": 0.125,
    }


def test_json_has_null_for_an_absent_class() -> None:
    written = json.loads(json.dumps(result().to_json(), allow_nan=False))
    assert list(written) == ["mIoU", "mAcc", "aAcc", "mBIoU", "IoU", "Acc", "BoundaryIoU"]
    assert written["IoU"] == {"road": 6 / 9, "car": 0.5, "sky": 0.0, "void": None}
    assert written["Acc"] == {"road": 0.75, "car": 4 / 6, "sky": None, "void": None}
    plain = result(names=None, boundary=False).to_json()
    assert list(plain) == ["mIoU", "mAcc", "aAcc", "IoU", "Acc"]
    assert plain["IoU"] == [6 / 9, 0.5, 0.0, None]
    # Two classes of one name cannot both be keys.
    assert result(names=("a", "b", "b", "c")).to_json()["IoU"] == plain["IoU"]


def test_rows_have_all_numbers() -> None:
    rows = result().rows()
    assert rows[1] == {
        "class": 1,
        "name": "car",
        "IoU": 0.5,
        "Acc": 4 / 6,
        "BoundaryIoU": 0.0,
        "share": 6 / 14,
        "intersection": 4,
        "union": 8,
        "predicted": 6,
        "labelled": 6,
    }
    assert rows[3]["IoU"] is None
    assert result(names=None, boundary=False).rows()[2]["name"] == "2"


def test_the_table_has_a_row_per_class() -> None:
    assert result().table().splitlines() == [
        "class     IoU     Acc  boundary IoU   share",
        "-------------------------------------------",
        "road   0.6667  0.7500        0.2500  0.5714",
        "car    0.5000  0.6667        0.0000  0.4286",
        "sky    0.0000       -             -  0.0000",
        "void        -       -             -  0.0000",
        "-------------------------------------------",
        "mean   0.3889  0.7083        0.1250",
        "aAcc 0.7143 of 14 pixels",
    ]
    assert "boundary" not in result(boundary=False).table()


def test_nothing_counted_is_no_number() -> None:
    found = SegmentationScores(confusion=np.zeros((2, 2), np.int64))
    assert all(math.isnan(value) for value in found.scalars().values())
    assert found.to_json()["mIoU"] is None
    assert "aAcc - of 0 pixels" in found.table()
    with pytest.raises(ValueError, match="Out of range"):
        json.dumps(found.scalars(), allow_nan=False)
