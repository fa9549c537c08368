from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.ops.blend import blend_tiles


@pytest.mark.parametrize("size", [(37, 61), (16, 90), (5, 7), (1, 40)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
def test_a_model_of_single_pixels_gives_what_it_gives_for_the_whole(
    size: tuple[int, int], overlap: float
) -> None:
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    found = blend_tiles(lambda x: 2 * x[:, :2] + 1, images, tile=(16, 20), overlap=overlap)
    torch.testing.assert_close(found, 2 * images[:, :2] + 1)


def test_weights_fall_linearly_across_the_overlap() -> None:
    """Two tiles of 6 columns of which 2 are common: the share of the second grows by thirds."""
    calls: list[Tensor] = []

    def model(x: Tensor) -> Tensor:
        calls.append(x)
        return torch.full_like(x[:, :1], float(len(calls) - 1))

    found = blend_tiles(model, torch.zeros(1, 3, 2, 10), tile=(2, 6), overlap=0.4)
    expected = torch.tensor([0.0, 0, 0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1])
    torch.testing.assert_close(found[0, 0], expected.expand(2, -1))
    assert [x.shape[-1] for x in calls] == [6, 6]


def test_an_image_in_one_tile_is_run_once() -> None:
    seen: list[tuple[int, ...]] = []

    def model(x: Tensor) -> Tensor:
        seen.append(tuple(x.shape))
        return x

    blend_tiles(model, torch.zeros(2, 3, 30, 40), tile=(30, 64), overlap=0.5)
    assert seen == [(2, 3, 30, 40)]


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"overlap": 1.0}, ("overlap", "below 1")),
        ({"overlap": -0.1}, ("overlap", "0 or more")),
        ({"tile": (0, 8)}, ("tile=(0, 8)", "1 pixel")),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        blend_tiles(
            lambda x: x, torch.zeros(1, 3, 9, 9), **{"tile": (8, 8), "overlap": 0.5, **options}
        )
