from typing import Any

import pytest
from helpers.refusals import refuses

from vision.data.transforms.segmentation_options import SegmentationAugment, require_sides
from vision.errors import ConfigError


def test_the_defaults_are_those_of_published_recipes_for_ade20k() -> None:
    augment = SegmentationAugment()
    assert (augment.long_side, augment.short_side) == (2048, 512)
    assert augment.scale == (0.5, 2.0)
    assert augment.crop == (512, 512)
    assert augment.max_class_share == 0.75
    assert augment.hflip == 0.5
    assert augment.photometric


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": (2.0, 0.5)}, ("scale=(2.0", "0.5", "2 numbers")),
        ({"scale": (0.0, 1.0)}, ("scale=(0.0", "1.0")),
        ({"crop": (512,)}, ("crop=(512", "2 numbers", "height, width")),
        ({"crop": (0, 5)}, ("crop=(0", "5")),
        ({"max_class_share": 0.0}, ("max_class_share=0.0", "1")),
        ({"max_class_share": 75}, ("max_class_share=75",)),
        ({"hflip": 1.5}, ("hflip=1.5", "0")),
        ({"short_side": None}, ("short_side=None", "long_side=2048", "both")),
        ({"short_side": 0}, ("short_side=0 and",)),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        SegmentationAugment(**options)


def test_no_resize_and_no_crop_are_options() -> None:
    augment = SegmentationAugment(short_side=None, long_side=None, crop=None)
    assert augment.crop is None
    require_sides(None, None)
    require_sides(1, 1)
