"""Pictures of depth: what is drawn is read back from the pixels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from PIL import Image

from vision.draw.depth import (
    DepthExample,
    DepthSpan,
    add_scale,
    color_depth,
    depth_span,
    draw_depth,
    draw_depth_errors,
    draw_examples,
)
from vision.draw.figure import save_png
from vision.draw.palette import GREY
from vision.draw.pixels import LIGHT
from vision.draw.ramps import DEPTH, SIGNED, even_ramp
from vision.errors import ConfigError


def at(picture: torch.Tensor, row: int, column: int) -> tuple[int, ...]:
    return tuple(picture[:, row, column].tolist())


def test_near_is_light_far_is_dark_and_no_reading_is_hatched() -> None:
    depth = torch.full((60, 60), 2.0)
    depth[:, 20:40] = 4.0
    depth[:, 40:] = 0.0
    picture = color_depth(depth, DepthSpan(2.0, 4.0))
    assert at(picture, 5, 5) == DEPTH[0]
    assert at(picture, 5, 25) == DEPTH[-1]
    assert {at(picture, row, 50) for row in range(60)} == {GREY, LIGHT}
    assert torch.equal(color_depth(torch.where(depth > 0, depth, torch.nan)), color_depth(depth))


def test_colours_are_even_in_metres_and_for_a_long_span_in_factors() -> None:
    ramp = even_ramp(DEPTH)
    short = color_depth(torch.tensor([[1.0, 2.5, 4.0]]), DepthSpan(1.0, 4.0))
    assert at(short, 0, 1) == tuple(ramp[128])
    long = color_depth(torch.tensor([[1.0, 10.0, 100.0]]), DepthSpan(1.0, 100.0))
    assert at(long, 0, 1) == tuple(ramp[128])


def test_the_span_leaves_out_a_few_wrong_readings_and_gaps() -> None:
    depth = torch.linspace(1, 3, 10_000).view(100, 100).clone()
    depth[0, :10] = 900.0
    depth[5] = 0.0
    span = depth_span(depth)
    assert (span.near_m, span.far_m) == pytest.approx((1.0, 3.0), abs=0.05)
    both = depth_span(depth, torch.full((4, 4), 0.5))
    assert both.near_m == 0.5
    assert both.far_m == pytest.approx(3.0, abs=0.05)


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_a_map_of_one_value_is_drawn(value: float) -> None:
    picture = draw_depth(torch.full((20, 30), value))
    assert picture.dtype == torch.uint8


def test_a_scale_is_added_below_and_the_image_shows_through() -> None:
    depth = torch.linspace(1, 5, 300).expand(100, 300)
    image = torch.full((3, 100, 300), 200, dtype=torch.uint8)
    plain = draw_depth(depth, image)
    assert plain.shape[2] == 300
    assert plain.shape[1] > 100
    assert torch.equal(plain[:, :100], color_depth(depth))
    half = draw_depth(depth, image, opacity=0.5)[:, :100].float()
    assert (half - (plain[:, :100].float() + 200) / 2).abs().max() <= 0.5
    assert torch.equal(draw_depth(depth, image, opacity=0.0)[:, :100], image)


def test_errors_are_blue_where_too_near_and_red_where_too_far() -> None:
    target = torch.tensor([[2.0, 2.0, 2.0, 2.0, 0.0]])
    found = torch.tensor([[2.0, 1.0, 3.0, 2.25, 2.0]])
    picture = draw_depth_errors(found, target)
    ramp = even_ramp(SIGNED)
    assert at(picture, 0, 1) == SIGNED[0]
    assert at(picture, 0, 2) == SIGNED[-1]
    assert at(picture, 0, 3) == tuple(ramp[round(0.75 * 255)])
    assert min(at(picture, 0, 0)) > 240
    assert at(picture, 0, 4) in (GREY, LIGHT)


def test_examples_have_a_row_each(tmp_path: Path) -> None:
    depth = torch.linspace(1, 5, 80).expand(60, 80)
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    heights = []
    for count in (1, 2):
        examples = [DepthExample(f"worst {i}", image, 1.1 * depth, depth) for i in range(count)]
        picture = np.asarray(Image.open(save_png(draw_examples(examples), tmp_path / "a.png")))
        heights.append(picture.shape[0])
    assert heights[1] > 1.6 * heights[0]
    with refuses(ConfigError, "no images"):
        draw_examples([])


def test_what_does_not_fit_is_refused() -> None:
    depth = torch.ones(4, 6)
    with refuses(ConfigError, "near_m", "3", "2"):
        DepthSpan(3.0, 2.0)
    with refuses(ConfigError, "(1, 4, 6)", "(H, W)"):
        color_depth(depth[None])
    with refuses(ConfigError, "4 x 6", "4 x 5"):
        draw_depth(depth, torch.zeros(3, 4, 5, dtype=torch.uint8), opacity=0.5)
    with refuses(ConfigError, "(4, 6)", "(4, 5)"):
        draw_depth_errors(depth, depth[:, :5])
    assert add_scale(color_depth(depth), depth_span(depth)).shape[2] >= 6
