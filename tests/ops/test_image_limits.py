import math

import pytest
from helpers.refusals import refuses
from PIL import Image

from vision.errors import ConfigError, ImageError
from vision.ops.image_limits import VARIABLE, check_pixels, max_pixels


def test_the_limit_is_that_of_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max_pixels() == 89_478_485
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert max_pixels() == math.inf


def test_the_variable_sets_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    monkeypatch.setenv(VARIABLE, "400000000")
    check_pixels(20_000, 20_000, "image 'a'")
    assert Image.MAX_IMAGE_PIXELS == 400_000_000
    with refuses(ImageError, "'a'", "20,000 x 20,001"):
        check_pixels(20_000, 20_001, "image 'a'")


@pytest.mark.parametrize("text", ["", "0", "-1", "1e9", "many", "9" * 5000])
def test_no_number_of_pixels(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with refuses(ConfigError, "VISION_MAX_PIXELS", "number"):
        max_pixels()
