import pytest

from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.options import IMAGENET_MEAN, Augment
from vision.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_scale": 0.0}, r"min_scale=0\.0 must be above 0 and at most 1"),
        ({"hflip": 2.0}, r"hflip=2\.0 must be from 0 to 1"),
        (
            {"interpolation": "cubic"},
            "interpolation='cubic' must be 'bicubic' or 'bilinear' or 'random'",
        ),
        ({"fill": (1, 2)}, r"fill=\(1, 2\) must be 3 numbers, each from 0 to 255"),
        ({"fill": (1, 2, 256)}, "fill="),
        ({"color_jitter": 1.5}, r"color_jitter=1\.5 must be from 0 to 1"),
        ({"repeats": 0}, "repeats=0 must be 1 or more"),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Augment(**options)


def test_the_notation_of_rand_augment_is_checked_before_training() -> None:
    with pytest.raises(ConfigError, match="'x3'"):
        TrainTransform(8, Augment(rand_augment="rand-x3"))


def test_the_default_fill_is_the_mean_that_timm_takes() -> None:
    from timm.data import IMAGENET_DEFAULT_MEAN, create_transform

    transform = create_transform(8, is_training=True, auto_augment="rand-m9")
    assert transform.transforms[2].ops[0].kwargs["fillcolor"] == IMAGENET_MEAN
    assert tuple(round(255 * value) for value in IMAGENET_DEFAULT_MEAN) == IMAGENET_MEAN


def test_timm_leaves_colour_jitter_out_beside_rand_augment() -> None:
    """What the documentation of `color_jitter` says of the published recipes."""
    from timm.data import create_transform

    options = {"is_training": True, "color_jitter": 0.4}
    with_it = create_transform(8, **options)
    without = create_transform(8, auto_augment="rand-m9", **options)
    assert "ColorJitter" in str(with_it)
    assert "ColorJitter" not in str(without)
