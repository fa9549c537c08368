"""Pictures of masks: what is drawn is read back from the pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.draw.figure import class_color, save_png
from vision.draw.palette import GREY, RED
from vision.draw.pixels import LIGHT
from vision.draw.segmentation import (
    SegmentationExample,
    class_palette,
    draw_errors,
    draw_examples,
    overlay_mask,
)
from vision.errors import ConfigError

NAMES = ("sky", "road", "car")


def grey(height: int = 24, width: int = 32) -> Tensor:
    return torch.full((3, height, width), 100, dtype=torch.uint8)


def halves(left: int, right: int) -> Tensor:
    mask = torch.full((24, 32), left)
    mask[:, 16:] = right
    return mask


def color_at(picture: Tensor, row: int, column: int) -> tuple[int, ...]:
    return tuple(picture[:, row, column].tolist())


def test_a_palette_has_a_colour_of_its_own_for_every_class() -> None:
    palette = class_palette(255)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == 255
    assert np.array_equal(class_palette(10), palette[:10])
    assert tuple(palette[3]) == class_color(3)
    neighbours = np.abs(np.diff(palette.astype(int), axis=0)).sum(axis=1)
    assert neighbours.min() > 100
    assert class_palette(0).shape == (0, 3)
    with pytest.raises(ConfigError, match="256 classes"):
        class_palette(256)


def test_an_overlay_tints_each_region_and_its_edges_are_of_the_full_colour() -> None:
    palette = class_palette(3)
    image = grey()
    picture = overlay_mask(image, halves(0, 2), palette, opacity=0.25)
    assert picture.dtype == torch.uint8
    assert picture.shape == image.shape
    for label, column in ((0, 3), (2, 28)):
        expected = 100 + (palette[label].astype(float) - 100) * 0.25
        assert color_at(picture, 10, column) == tuple(expected.round().astype(int))
    assert color_at(picture, 10, 15) == class_color(0)
    assert color_at(picture, 10, 16) == class_color(2)
    plain = overlay_mask(image, halves(0, 2), palette, opacity=0.25, boundaries=False)
    assert color_at(plain, 10, 15) == color_at(plain, 10, 3)
    assert (image == 100).all()


def test_ignored_pixels_are_grey_for_any_number_of_classes() -> None:
    for palette in (class_palette(3), class_palette(255)):
        picture = overlay_mask(grey(), halves(IGNORED, 1), palette, opacity=1.0)
        assert color_at(picture, 10, 3) == GREY
        assert color_at(picture, 10, 28) == class_color(1)


def test_ignored_pixels_are_hatched_and_a_grey_class_is_not() -> None:
    palette = np.array([GREY, [0, 90, 0]], np.uint8)
    image = torch.full((3, 60, 60), 128, dtype=torch.uint8)
    mask = torch.zeros(60, 60, dtype=torch.int64)
    mask[:, 30:] = IGNORED
    for picture in (
        overlay_mask(image, mask, palette, opacity=1.0),
        draw_errors(image, torch.zeros_like(mask), mask),
    ):
        half = picture[:, :, 31:].float().mean(dim=0)
        assert picture[:, 10, 5:25].float().std() < 1  # a plain colour
        # Diagonal stripes: along the diagonal one value, across it light and dark ones.
        assert (half[1:, :-1] == half[:-1, 1:]).float().mean() > 0.95
        assert 0.2 < (half == LIGHT[0]).float().mean() < 0.4


def test_edges_of_large_images_are_wider() -> None:
    mask = torch.zeros(1000, 1500, dtype=torch.uint8)
    mask[:, 700:] = 1
    image = torch.zeros(3, 1000, 1500, dtype=torch.uint8)
    picture = overlay_mask(image, mask, class_palette(2), opacity=0.0)
    drawn = picture.any(dim=0)[500].nonzero().squeeze(1).tolist()
    assert drawn == list(range(697, 703))


def test_wrong_pixels_are_red_and_others_pale() -> None:
    prediction, target = halves(0, 0), halves(0, 1)
    target[:4] = IGNORED
    prediction[:4] = 2
    picture = draw_errors(grey(), prediction, target)
    assert color_at(picture, 10, 28) == RED
    assert color_at(picture, 2, 2) == GREY
    assert color_at(picture, 2, 28) == GREY
    light = color_at(picture, 10, 3)
    assert min(light) > 180


def test_what_does_not_fit_is_refused() -> None:
    palette = class_palette(2)
    with refuses(ConfigError, "shape", "(24, 31)"):
        overlay_mask(grey(), halves(0, 1)[:, :31], palette)
    with refuses(ConfigError, "class", "7", "colour", "2"):
        overlay_mask(grey(), halves(0, 7), palette)
    with refuses(ConfigError, "class", "-1", "colour"):
        overlay_mask(grey(), halves(0, -1), palette)
    with pytest.raises(ConfigError, match="cannot be drawn"):
        draw_errors(grey().float(), halves(0, 1), halves(0, 1))
    with pytest.raises(ConfigError, match="no images"):
        draw_examples([], NAMES, palette)


def test_examples_have_a_row_each_and_the_legend_names_what_is_there(tmp_path: Path) -> None:
    palette = class_palette(3)
    target = halves(0, 1)
    target[:5] = IGNORED
    examples = [
        SegmentationExample("best 1", grey(), halves(0, 1), target),
        SegmentationExample("worst 1", grey(), halves(1, 0).to(torch.uint8), halves(0, 1)),
    ]
    figure = draw_examples(iter(examples), NAMES, palette)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert [title for title in titles if title] == ["best 1", "worst 1"]
    for axis in figure.axes:
        assert [text.get_text() for text in axis.texts] == ["ground truth", "prediction", "errors"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["sky", "road", "wrong", "ignored"]
    hatches = [patch.get_hatch() for patch in figure.legends[0].get_patches()]
    assert [bool(hatch) for hatch in hatches] == [False, False, False, True]
    path = save_png(figure, tmp_path / "new" / "examples.png")
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    # The second example is wrong everywhere: an eighth of the pictures is red.
    assert 0.05 < (pixels == RED).all(axis=1).mean() < 0.2


def test_the_most_frequent_of_many_classes_are_named() -> None:
    mask = torch.arange(250).repeat_interleave(torch.arange(1, 251))
    mask = mask[: 100 * 313].reshape(100, 313)
    image = torch.zeros(3, 100, 313, dtype=torch.uint8)
    example = SegmentationExample("", image, mask, mask)
    names = [f"class {label}" for label in range(250)]
    figure = draw_examples([example], names, class_palette(250))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(texts) == 41
    assert texts[-2:] == ["class 248", "wrong"]
