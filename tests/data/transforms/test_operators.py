import numpy as np
import pytest
from helpers.pictures import planes, texture
from PIL import Image
from timm.data import auto_augment as timm

from vision.data.transforms import operators

PICTURES = {
    "texture": texture(61, 70),
    "narrow range": texture(40, 50, seed=1) // 3 + 60,
    "few levels": texture(40, 50, seed=2) // 64 * 64,
    "even": np.full((9, 8, 3), (0, 128, 255), dtype=np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (33, 20, 3), dtype=np.uint8),
    "small": texture(3, 3),
    "row": texture(1, 40),
}
FACTORS = (0.1, 0.37, 0.999, 1.0, 1.63, 1.9)
CASES = {
    "auto_contrast": (timm.auto_contrast, [()]),
    "equalize": (timm.equalize, [()]),
    "invert": (timm.invert, [()]),
    "posterize": (timm.posterize, [(1,), (2,), (4,)]),
    "solarize": (timm.solarize, [(0,), (26,), (128,), (256,)]),
    "solarize_add": (timm.solarize_add, [(0,), (99,), (110,)]),
    "brightness": (timm.brightness, [(factor,) for factor in FACTORS]),
    "contrast": (timm.contrast, [(factor,) for factor in FACTORS]),
    "saturation": (timm.color, [(factor,) for factor in FACTORS]),
    "sharpness": (timm.sharpness, [(factor,) for factor in FACTORS]),
}


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", CASES)
def test_an_operator_is_timm_s(name: str, picture: str) -> None:
    pixels = PICTURES[picture]
    image = planes(pixels)
    theirs, arguments = CASES[name]
    for argument in arguments:
        actual = getattr(operators, name)(image, *argument)
        expected = planes(theirs(Image.fromarray(pixels), *argument))
        assert actual.dtype == np.uint8
        assert actual.flags.c_contiguous
        assert actual.flags.writeable
        np.testing.assert_array_equal(actual, expected)
    np.testing.assert_array_equal(image, planes(pixels))  # not changed in place


def test_posterize_without_a_bit_is_black() -> None:
    image = planes(PICTURES["noise"])
    assert not operators.posterize(image, 0).any()
    np.testing.assert_array_equal(operators.posterize(image, 8), image)


def test_luma_is_pillow_s() -> None:
    pixels = PICTURES["noise"]
    expected = np.asarray(Image.fromarray(pixels).convert("L"))
    np.testing.assert_array_equal(operators.luma(planes(pixels)), expected)
