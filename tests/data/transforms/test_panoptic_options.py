import pytest
from helpers.refusals import refuses

from vision.data.transforms.panoptic_options import PanopticAugment
from vision.errors import ConfigError


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("crop", (0, 5)),
        ("crop", None),
        ("scale", (2.0, 0.5)),
        ("hflip", 1.5),
        ("min_labelled", -0.1),
        ("fill", (0, 0, 256)),
    ],
)
def test_values_out_of_range_are_refused(option: str, value: object) -> None:
    with refuses(ConfigError, option, value):
        PanopticAugment(**{option: value})
