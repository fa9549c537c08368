import pytest
from helpers.refusals import refuses

from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError


def test_published_options_are_accepted() -> None:
    DetectionAugment()
    DetectionAugment(short_sides=list(range(480, 801, 32)), crop="detr")
    DetectionAugment(jitter=(0.1, 2.0), photometric=0.5)
    assert DetectionAugment().mixed == {}
    augment = DetectionAugment(mosaic=1.0, mixup=0.5, jitter=(0.1, 2.0))
    assert augment.mixed == {"mosaic": 1.0, "mixup": 0.5}
    DetectionAugment(copy_paste=1.0, mixup=1.0, jitter=(0.1, 2.0), close_mixing_epochs=0)


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
        ({"mosaic": 1.5}, ("mosaic=1.5",)),
        ({"mosaic_size": 0}, ("mosaic_size=0",)),
        ({"mosaic_scale": (2.0, 0.1)}, ("mosaic_scale=", "ascending")),
        ({"mixup": -1}, ("mixup=-1",)),
        ({"mixup_scale": (0.0, 1.0)}, ("mixup_scale=(0.0, 1.0)",)),
        ({"copy_paste": "yes"}, ("copy_paste='yes'",)),
        ({"close_mixing_epochs": -1}, ("close_mixing_epochs=-1", "epochs")),
        (
            {"mosaic": 0.5, "copy_paste": 0.2},
            ("mosaic=0.5", "copy_paste=0.2", "exclude each other"),
        ),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        DetectionAugment(**options)
