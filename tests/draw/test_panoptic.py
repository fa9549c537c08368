"""Pictures of segments: what is drawn is read back from the pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image
from torch import Tensor

from vision.draw.figure import class_color, save_png
from vision.draw.palette import GREY, RED
from vision.draw.panoptic import (
    BOTH,
    MISSED,
    PanopticExample,
    Segmented,
    draw_examples,
    draw_mismatches,
    draw_segments,
    segment_colors,
)
from vision.draw.pixels import LIGHT
from vision.errors import ConfigError

NAMES = ("sky", "road", "car")


def grey(height: int = 600, width: int = 800) -> Tensor:
    return torch.full((3, height, width), 90, dtype=torch.uint8)


def scene(height: int = 600, width: int = 800) -> Segmented:
    """Sky above, two cars below, and void between them."""
    mask = torch.zeros(height, width, dtype=torch.int32)
    mask[: height // 2] = 7
    mask[height // 2 :, : width // 4] = 4
    mask[height // 2 :, 3 * width // 4 :] = 9
    return Segmented(
        mask,
        [
            {"id": 4, "category_id": 2, "isthing": True},
            {"id": 7, "category_id": 0, "isthing": False},
            {"id": 9, "category_id": 2, "isthing": True},
        ],
    )


def color_at(picture: Tensor, row: int, column: int) -> tuple[int, ...]:
    return tuple(picture[:, row, column].tolist())


def test_objects_of_a_class_have_shades_and_crowds_are_grey() -> None:
    segments = scene().segments
    colors = segment_colors(segments)
    assert colors == {4: class_color(2), 7: class_color(0), 9: class_color(2, 1)}
    crowd = segment_colors([{**segments[0], "iscrowd": True}, segments[2]])
    assert crowd == {4: GREY, 9: class_color(2)}
    palette = np.array([[1, 2, 3], [4, 5, 6], [200, 100, 50]], np.uint8)
    assert segment_colors(segments, palette)[4] == (200, 100, 50)


def test_segments_are_tinted_outlined_and_void_is_hatched() -> None:
    image, found = grey(), scene()
    drawn = draw_segments(image, found, class_names=NAMES, opacity=0.25, names=False)
    assert drawn.shape == image.shape
    for (row, column), color in (((500, 60), class_color(2)), ((500, 760), class_color(2, 1))):
        expected = 90 + (np.array(color) - 90) * 0.25
        np.testing.assert_allclose(color_at(drawn, row, column), expected, atol=1)
    assert color_at(drawn, 299, 60) == class_color(0)
    assert color_at(drawn, 300, 60) == class_color(2)
    stripes = (drawn[:, 320:580, 220:580].permute(1, 2, 0).numpy() > 180).all(axis=2)
    assert 0.1 < stripes.mean() < 0.5
    assert (image == 90).all(), "the image itself is unchanged"
    one = Segmented(torch.ones(600, 800, dtype=torch.int32), [{**found.segments[0], "id": 1}])
    flat = draw_segments(image, one, class_names=NAMES, names=False)
    assert len(flat.flatten(1).unique(dim=1)[0]) == 1


def test_names_stand_inside_their_segments() -> None:
    image, found = grey(), scene()
    drawn = draw_segments(image, found, class_names=NAMES)
    plain = draw_segments(image, found, class_names=NAMES, names=False)
    changed = (drawn != plain).any(dim=0)
    for one in found.segments:
        inside = changed & (found.mask == one["id"])
        assert inside.any(), "the name is where its segment is"
    assert not (changed & (found.mask == 0)).any()
    small = Segmented(found.mask[:, :200] * 0, [])
    small.mask[:4, :4] = 1
    tiny = Segmented(small.mask, [{"id": 1, "category_id": 1, "isthing": True}])
    without = draw_segments(grey(600, 200), tiny, class_names=NAMES, names=False)
    assert torch.equal(draw_segments(grey(600, 200), tiny, class_names=NAMES), without)


def test_small_images_are_enlarged_for_names_only() -> None:
    found = scene(96, 128)
    assert draw_segments(grey(96, 128), found, class_names=NAMES).shape == (3, 384, 512)
    small = draw_segments(grey(96, 128), found, class_names=NAMES, names=False)
    assert small.shape == (3, 96, 128)


def test_mismatches_have_a_colour_each() -> None:
    found, true = scene(), scene()
    moved = Segmented(found.mask.roll(100, 1), found.segments)
    drawn = draw_mismatches(grey(), moved, true, wrong=[4], missed=[4, 9])
    assert color_at(drawn, 500, 50) == MISSED
    assert color_at(drawn, 500, 150) == BOTH
    assert color_at(drawn, 500, 250) == RED
    assert color_at(drawn, 500, 700) == MISSED
    assert color_at(drawn, 500, 400) in (GREY, LIGHT)
    assert color_at(drawn, 100, 400) == (197, 197, 197), "matched segments are pale"


def test_examples_have_a_row_each(tmp_path: Path) -> None:
    found = scene(48, 64)
    example = PanopticExample("worst", grey(48, 64), found, found, wrong=[], missed=[])
    one = save_png(draw_examples([example], NAMES), tmp_path / "one.png")
    two = save_png(draw_examples([example, example], NAMES), tmp_path / "two.png")
    with Image.open(one) as short, Image.open(two) as tall:
        assert short.width == tall.width
        assert tall.height > 1.4 * short.height
    with pytest.raises(ConfigError, match="no images"):
        draw_examples([], NAMES)


def test_ids_names_and_sizes_have_to_fit() -> None:
    found = scene()
    with refuses(ConfigError, "segment 4", "2 segments"):
        draw_segments(grey(), Segmented(found.mask, found.segments[1:]), class_names=NAMES)
    with refuses(ConfigError, "class index 2", "2 names"):
        draw_segments(grey(), found, class_names=NAMES[:2])
    with refuses(ConfigError, "(600, 800)", "10 x 20"):
        draw_segments(grey(10, 20), found, class_names=NAMES)
