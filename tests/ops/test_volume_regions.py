"""Regions of classes, painted as in the published script of BraTS, and those that cannot be."""

import pytest
import torch
from helpers.refusals import refuses

from vision.contracts.volumes import IGNORED
from vision.errors import ConfigError
from vision.ops.volume_regions import check_regions, own_classes, paint_regions, region_masks

# Classes: background, necrotic core, edema, enhancing tumour.
BRATS = {"TC": (1, 3), "WT": (1, 2, 3), "ET": (3,)}


def test_the_regions_of_brats_are_painted_in_the_published_order() -> None:
    assert own_classes(BRATS) == {"WT": 2, "TC": 1, "ET": 3}
    torch.manual_seed(0)
    found = torch.rand(3, 4, 5, 6) > 0.5  # in any combination, nested or not
    expected = torch.zeros(4, 5, 6, dtype=torch.uint8)
    expected[found[1]] = 2
    expected[found[0]] = 1
    expected[found[2]] = 3
    assert torch.equal(paint_regions(found, BRATS), expected)


@pytest.mark.parametrize(
    "regions",
    [BRATS, {"liver": (1, 2), "tumour": (2,)}, {"a": (1,), "b": (2,), "c": (3,)}],
)
def test_masks_of_regions_lead_back_to_their_classes(regions: dict[str, tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    classes = torch.tensor([0, *sorted({k for some in regions.values() for k in some})])
    mask = classes[torch.randint(len(classes), (3, 4, 5))].to(torch.uint8)
    masks = region_masks(mask, regions)
    for found, some in zip(masks, regions.values(), strict=True):
        assert torch.equal(found, torch.isin(mask, torch.tensor(some, dtype=torch.uint8)))
    assert torch.equal(paint_regions(masks, regions), mask)


def test_ignored_cells_are_in_no_region() -> None:
    mask = torch.tensor([IGNORED, 0, 3], dtype=torch.uint8)
    assert region_masks(mask, BRATS).tolist() == [[False, False, True]] * 3


def test_regions_are_read_from_lists() -> None:
    assert check_regions({"TC": [3, 1], "WT": [1, 2, 3], "ET": [3]}, 4) == BRATS


@pytest.mark.parametrize(
    ("regions", "parts"),
    [
        ({}, ["regions={}", "one region"]),
        ({"WT": []}, ["'WT'", "from 1 to 3"]),
        ({"WT": [0, 1]}, ["'WT'", "[0, 1]", "0 is the background"]),
        ({"WT": [1, 4]}, ["'WT'", "[1, 4]", "from 1 to 3"]),
        ({"WT": [1, 1]}, ["'WT'", "each once"]),
        ({"WT": [True]}, ["'WT'", "expected indices"]),
        ({"WT": "12"}, ["'WT'", "expected indices"]),
        ({"WT": [1, 2]}, ["'WT'", "1, 2", "exactly one class"]),
        ({"WT": [1, 2], "a": [1], "b": [2]}, ["'WT'", "no class", "exactly one class"]),
        ({"WT": [1, 2], "TC": [2, 1]}, ["'WT'", "'TC'", "same classes"]),
    ],
)
def test_regions_that_cannot_be_painted_are_refused(
    regions: dict[str, list[int]], parts: list[str]
) -> None:
    with refuses(ConfigError, *parts):
        check_regions(regions, 4)
