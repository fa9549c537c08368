"""The picture of a classified image."""

import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.draw.figure import class_color
from vision.draw.labels import draw_labels
from vision.errors import ConfigError


def test_the_image_is_whole_and_the_bars_are_as_long_as_the_scores() -> None:
    image = torch.randint(0, 256, (3, 400, 640), dtype=torch.uint8)
    ranked = [(3, "disc", 0.75), (1, "a name that is far too long for any line of a picture", 0.25)]
    picture = draw_labels(image, ranked)
    assert picture.dtype == torch.uint8
    assert picture.shape[2] == 640
    assert torch.equal(picture[:, :400], image)
    line = (picture.shape[1] - 400) // 2
    for place, (label, _, score) in enumerate(ranked):
        row = picture[:, 400 + place * line + 2].permute(1, 0).numpy()
        colour = 0.72 * 255 + 0.28 * np.array(class_color(label))
        filled = np.abs(row - colour).max(axis=1) < 2
        assert abs(filled.sum() / 640 - score) < 0.01


def test_small_and_narrow_images_have_room_for_names() -> None:
    small = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    enlarged = draw_labels(small, [(0, "x", 1.0)])
    assert enlarged.shape[2] == 320
    assert torch.equal(enlarged[:, :320:40, ::40], small)
    narrow = draw_labels(torch.zeros(3, 700, 3, dtype=torch.uint8), [(0, "W" * 60, 0.5)])
    assert narrow.shape[2] == 320
    assert narrow[:, 0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("image", "ranked", "message"),
    [
        (torch.zeros(3, 4, 4), [(0, "x", 1.0)], ("torch.float32", "(3, 4, 4)")),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), [], ("no classes",)),
    ],
)
def test_what_cannot_be_drawn(image: torch.Tensor, ranked: list, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        draw_labels(image, ranked)
