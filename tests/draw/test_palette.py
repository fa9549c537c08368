"""Colours of classes: any few of them can be told apart, and none looks like an ignored pixel."""

import pytest
from helpers.color_difference import color_difference, lab_difference, least_difference

from vision.draw.palette import COUNT, GREY, RED, distinct_colors


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # Table 1 of Sharma et al., pairs 1, 7, 14, 17, 19, 25 and 31.
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((50.0, 2.5, 0.0), (56.0, -27.0, -3.0), 31.9030),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_differences_are_measured_as_published(one: tuple, other: tuple, expected: float) -> None:
    assert lab_difference(one, other) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("count", "least"), [(8, 24), (13, 21), (20, 17), (40, 12), (COUNT, 4)])
def test_classes_can_be_told_apart(count: int, least: float) -> None:
    # About 2 is the difference that is just noticed.
    assert least_difference(distinct_colors()[:count]) >= least


@pytest.mark.parametrize("reserved", [GREY, RED], ids=["ignored", "wrong"])
def test_no_class_looks_ignored_or_wrong(reserved: tuple[int, int, int]) -> None:
    assert min(color_difference(reserved, one) for one in distinct_colors()[:40]) >= 18
