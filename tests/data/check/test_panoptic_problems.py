import numpy as np
import pytest

from vision.data.check.panoptic_problems import SegmentScan, describe_scan, one_sort


@pytest.mark.parametrize(
    ("things", "parts"),
    [
        ([True, True], ("things", "PQ of stuff", "'isthing' 1", "'isthing': 0")),
        ([False], ("stuff", "PQ of things", "'isthing' 0", "'isthing': 1")),
        ([True, False], ()),
    ],
)
def test_classes_of_one_sort(things: list[bool], parts: tuple[str, ...]) -> None:
    remark = one_sort(np.array(things))
    assert (remark is None) is (not parts)
    assert all(part in str(remark) for part in parts)


def test_the_most_frequent_classes_are_described_first() -> None:
    counts = np.arange(12) % 11
    scan = SegmentScan(images=8, path="a.png", counts=counts, crowds=1, labelled=0.75)
    names = [f"class {k}" for k in range(12)]
    line = describe_scan(scan, names, np.arange(12) < 5)
    assert line == (
        "5 things, 7 sorts of stuff; segments in 8 images: class 10 10, class 9 9, class 8 8, "
        "class 7 7, class 6 6, class 5 5, class 4 4, class 3 3, 2 more classes, 1 crowd, "
        "75.0% of the pixels"
    )
