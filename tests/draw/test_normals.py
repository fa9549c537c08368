"""Pictures of normals: what is drawn is read back from the pixels."""

from pathlib import Path

import pytest
import torch
from helpers.refusals import refuses
from PIL import Image

from vision.draw.figure import save_png
from vision.draw.normals import (
    NormalsExample,
    color_normals,
    draw_examples,
    draw_normals_errors,
)
from vision.draw.palette import GREY
from vision.draw.pixels import LIGHT
from vision.draw.ramps import ERROR, even_ramp
from vision.errors import ConfigError


def field(vector: tuple[float, ...], height: int = 8, width: int = 8) -> torch.Tensor:
    return torch.tensor(vector).view(3, 1, 1).repeat(1, height, width)


def at(picture: torch.Tensor, row: int, column: int) -> tuple[int, ...]:
    return tuple(picture[:, row, column].tolist())


@pytest.mark.parametrize(
    ("vector", "color"),
    [
        ((0.0, 0.0, -1.0), (128, 128, 0)),  # a wall that faces the camera
        ((0.0, -1.0, 0.0), (128, 0, 128)),  # a floor
        ((1.0, 0.0, 0.0), (255, 128, 128)),
    ],
)
def test_components_are_red_green_and_blue(vector: tuple, color: tuple) -> None:
    assert at(color_normals(field(vector)), 2, 3) == color


def test_no_normal_is_hatched() -> None:
    normals = field((0.0, 0.0, -1.0), 60, 60)
    normals[:, :, 30:] = 0.0
    normals[:, :, 50:] = torch.nan
    picture = color_normals(normals)
    for column in (40, 55):
        assert {at(picture, row, column) for row in range(60)} == {GREY, LIGHT}


def test_errors_are_the_angle_between() -> None:
    target = field((0.0, 0.0, -1.0))
    target[:, 0] = 0.0
    tilted = field((0.0, -(0.5**0.5), -(0.5**0.5)))
    picture = draw_normals_errors(tilted, target)
    assert at(picture, 3, 3) == tuple(even_ramp(ERROR)[round(45 / 60 * 255)])
    assert at(picture, 0, 3) in (GREY, LIGHT)
    assert at(draw_normals_errors(target, target), 3, 3) == ERROR[0]


def test_examples_are_drawn_and_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    normals = field((0.0, 0.0, -1.0), 60, 80)
    image = torch.zeros(3, 60, 80, dtype=torch.uint8)
    file = save_png(draw_examples([NormalsExample("a", image, normals, normals)]), tmp_path / "a")
    colors = Image.open(file).convert("RGB").getcolors(1 << 24)
    assert (128, 128, 0) in {color for _, color in colors or ()}
    with refuses(ConfigError, "(60, 80)", "(3, H, W)"):
        color_normals(normals[0])
    with refuses(ConfigError, "(60, 80)", "(60, 79)"):
        draw_normals_errors(normals, normals[:, :, :79])
