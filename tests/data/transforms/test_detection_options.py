import pytest

from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError


def test_published_options_are_accepted() -> None:
    DetectionAugment()
    DetectionAugment(short_sides=list(range(480, 801, 32)), crop="detr")
    DetectionAugment(jitter=(0.1, 2.0), photometric=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_sides": ()}, r"short_sides=\(\)"),
        ({"short_sides": [480, 0]}, r"short_sides=\[480, 0\]"),
        ({"long_side": 0}, "long_side=0"),
        ({"hflip": 1.5}, "hflip=1.5"),
        ({"crop": "random"}, "crop='random' must be 'none' or 'detr'"),
        ({"crop_sides": ()}, "crop_sides"),
        ({"crop_size": (600, 384)}, r"crop_size=\(600, 384\) must be 2 numbers in ascending order"),
        ({"jitter": (0.0, 2.0)}, r"jitter=\(0.0, 2.0\)"),
        ({"jitter": ()}, r"jitter=\(\)"),
        ({"jitter": (0.1, float("inf"))}, "jitter=.*from 0.001 to 100"),
        ({"jitter": (2.0, 0.1)}, "jitter=.*ascending"),
        ({"jitter_size": 0}, "jitter_size=0"),
        ({"photometric": -0.1}, "photometric=-0.1"),
        ({"min_visible": -1}, "min_visible=-1"),
        ({"fill": (0, 0, 256)}, "fill"),
        ({"jitter": (0.1, 2.0), "crop": "detr"}, "exclude each other"),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DetectionAugment(**options)
