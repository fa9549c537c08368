import colorsys

import numpy as np
import pytest

from vision.data.synthetic.textures import PATTERNS, TEXTURES, hsv_color, luminance, make_texture


def test_colours_are_those_of_colorsys() -> None:
    rng = np.random.default_rng(0)
    for hue, saturation, value in rng.random((50, 3)):
        expected = np.array(colorsys.hsv_to_rgb(hue, saturation, value)) * 255
        np.testing.assert_allclose(hsv_color(hue, saturation, value), expected, atol=1e-3)
    assert luminance(np.full((4, 5, 3), 100, np.float32)) == pytest.approx(100)


@pytest.mark.parametrize("name", TEXTURES)
def test_patterns_fill_the_image_and_vary(name: str) -> None:
    pattern = PATTERNS[name]
    for seed in range(5):
        drawn = pattern(np.random.default_rng(seed), 40, 56)
        assert drawn.shape == (40, 56)
        assert drawn.min() >= -0.35  # a bicubic enlargement overshoots
        assert drawn.max() <= 1.35
        assert drawn.std() > 0.05


def test_a_texture_is_a_function_of_the_generator_and_leaves_room_for_contrast() -> None:
    for seed in range(20):
        image, kind = make_texture(np.random.default_rng(seed), 33, 47)
        # The first of the numbers that are drawn chooses it.
        assert kind == np.random.default_rng(seed).integers(4)
        assert image.shape == (33, 47, 3)
        assert image.dtype == np.float32
        assert np.array_equal(image, make_texture(np.random.default_rng(seed), 33, 47).image)
        assert 15 < luminance(image) < 235
