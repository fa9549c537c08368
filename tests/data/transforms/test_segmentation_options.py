from typing import Any

import pytest

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
        ({"scale": (2.0, 0.5)}, r"scale=\(2\.0, 0\.5\) must be 2 numbers in ascending order"),
        ({"scale": (0.0, 1.0)}, r"scale=\(0\.0, 1\.0\) must be"),
        ({"crop": (512,)}, r"crop=\(512,\) must be 2 numbers.*height, width"),
        ({"crop": (0, 5)}, r"crop=\(0, 5\) must be"),
        ({"max_class_share": 0.0}, r"max_class_share=0\.0 must be above 0 and at most 1"),
        ({"max_class_share": 75}, r"max_class_share=75 must be"),
        ({"hflip": 1.5}, r"hflip=1\.5 must be from 0 to 1"),
        ({"short_side": None}, r"short_side=None and long_side=2048 must be .* or both none"),
        ({"short_side": 0}, r"short_side=0 and"),
    ],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SegmentationAugment(**options)


def test_no_resize_and_no_crop_are_options() -> None:
    augment = SegmentationAugment(short_side=None, long_side=None, crop=None)
    assert augment.crop is None
    require_sides(None, None)
    require_sides(1, 1)
