import numpy as np
import pytest
from helpers.pictures import planes, texture
from PIL import Image
from timm.data import auto_augment as timm

from vision.data.transforms import warps

FILL = (124, 116, 104)
CASES = {
    "rotate": (timm.rotate, (-27.3, 0.0, 3.0, 90.0)),
    "shear_x": (timm.shear_x, (0.27, -0.3, 0.0, 0.123)),
    "shear_y": (timm.shear_y, (0.27, -0.3, 0.0, 0.123)),
    "translate_x": (timm.translate_x_rel, (0.45, -0.4321, 0.0, 0.1)),
    "translate_y": (timm.translate_y_rel, (0.45, -0.4321, 0.0, 0.1)),
}


@pytest.mark.parametrize("cubic", [True, False])
@pytest.mark.parametrize("shape", [(90, 120), (64, 64), (2, 5), (1, 1)])
@pytest.mark.parametrize("name", CASES)
def test_a_warp_is_timm_s(name: str, shape: tuple[int, int], cubic: bool) -> None:
    pixels = texture(*shape)
    image = planes(pixels)
    resample = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
    theirs, arguments = CASES[name]
    for argument in arguments:
        actual = getattr(warps, name)(image, argument, cubic=cubic, fill=FILL)
        expected = planes(
            theirs(Image.fromarray(pixels), argument, fillcolor=FILL, resample=resample)
        )
        assert actual.dtype == np.uint8
        assert actual.flags.c_contiguous
        assert actual.flags.writeable
        difference = np.abs(actual.astype(int) - expected)
        # Where a fraction is near a whole number it may be cut off at the other side.
        assert difference.max() <= (0 if name == "rotate" else 1)
        if min(shape) > 50:
            assert difference.mean() < (0.01 if cubic else 0.07)
    np.testing.assert_array_equal(image, planes(pixels))


@pytest.mark.parametrize("name", CASES)
def test_an_even_image_stays_even(name: str) -> None:
    image = planes(np.full((50, 60, 3), FILL, dtype=np.uint8))
    for value in np.linspace(-0.4, 0.4, 17):
        for cubic in (True, False):
            warped = getattr(warps, name)(image, float(value), cubic=cubic, fill=FILL)
            np.testing.assert_array_equal(warped, image)


@pytest.mark.parametrize("name", ["translate_x", "translate_y"])
@pytest.mark.parametrize("share", [1.0, 1.5, -1.0, -20.0])
def test_an_image_can_be_shifted_out_of_sight(name: str, share: float) -> None:
    image = planes(texture(20, 30))
    warped = getattr(warps, name)(image, share, cubic=True, fill=FILL)
    np.testing.assert_array_equal(warped, planes(np.full((20, 30, 3), FILL, dtype=np.uint8)))
