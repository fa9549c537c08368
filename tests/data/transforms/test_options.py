import pytest
from helpers.refusals import refuses

from vision.data.transforms.classification import TrainTransform
from vision.data.transforms.options import IMAGENET_MEAN, Augment
from vision.errors import ConfigError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_scale": 0.0}, ("min_scale=0.0", "1")),
        ({"hflip": 2.0}, ("hflip=2.0", "1")),
        (
            {"interpolation": "cubic"},
            ("interpolation='cubic'", "'bicubic'", "'bilinear'", "'random'"),
        ),
        ({"fill": (1, 2)}, ("fill=(1", "3 numbers", "0", "255")),
        ({"fill": (1, 2, 256)}, ("fill=",)),
        ({"color_jitter": 1.5}, ("color_jitter=1.5", "0")),
        ({"repeats": 0}, ("repeats=0", "1")),
    ],
)
def test_values_out_of_range_are_named(options: dict, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
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
