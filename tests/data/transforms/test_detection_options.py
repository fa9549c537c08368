import pytest
from helpers.refusals import refuses

from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError


def test_published_options_are_accepted() -> None:
    DetectionAugment()
    DetectionAugment(short_sides=list(range(480, 801, 32)), crop="detr")
    DetectionAugment(jitter=(0.1, 2.0), photometric=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"short_sides": ()}, ("short_sides=()",)),
        ({"short_sides": [480, 0]}, ("short_sides=[480, 0]",)),
        ({"long_side": 0}, ("long_side=0",)),
        ({"hflip": 1.5}, ("hflip=1.5",)),
        ({"crop": "random"}, ("crop='random'", "'none'", "'detr'")),
        ({"crop_sides": ()}, ("crop_sides",)),
        ({"crop_size": (600, 384)}, ("crop_size=(600", "384", "2 numbers")),
        ({"jitter": (0.0, 2.0)}, ("jitter=(0.0, 2.0)",)),
        ({"jitter": ()}, ("jitter=()",)),
        ({"jitter": (0.1, float("inf"))}, ("jitter=", "0.001", "100")),
        ({"jitter": (2.0, 0.1)}, ("jitter=", "ascending")),
        ({"jitter_size": 0}, ("jitter_size=0",)),
        ({"photometric": -0.1}, ("photometric=-0.1",)),
        ({"min_visible": -1}, ("min_visible=-1",)),
        ({"fill": (0, 0, 256)}, ("fill",)),
        ({"jitter": (0.1, 2.0), "crop": "detr"}, ("exclude each other",)),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        DetectionAugment(**options)
