import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.heads.depth.readout import DepthReadout, NormalsReadout, Readout


@pytest.mark.parametrize("x", [-200.0, -1.0, 0.0, 3.0, 200.0])
def test_depth_stays_within_its_limits(x: float) -> None:
    readout = DepthReadout(min_depth=0.5, max_depth=8.5)
    found = readout.values(torch.full((1, 1, 1, 1), x)).item()
    assert found == pytest.approx(0.5 + 8 / (1 + math.exp(-x)), rel=1e-6)
    above = DepthReadout(min_depth=0.5, max_depth=8.5, activation="softplus")
    found = above.values(torch.full((1, 1, 1, 1), x)).item()
    assert found == pytest.approx(0.5 + (x if x > 100 else math.log1p(math.exp(x))), rel=1e-6)


def test_depth_is_in_float32_under_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert DepthReadout().values(torch.zeros(1, 1, dtype=torch.bfloat16)).dtype == torch.float32


def test_normals_have_unit_length_however_short() -> None:
    vectors = torch.tensor([[3.0, 0.0, -4.0], [1e-4, 0.0, 0.0], [0.0, 0.0, 0.0]])[:, :, None, None]
    found = NormalsReadout().finish(vectors)[:, :, 0, 0]
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.0, -0.8]))
    torch.testing.assert_close(found[1], torch.tensor([1.0, 0.0, 0.0]))
    assert not found[2].any()


def test_a_wall_on_the_left_is_one_on_the_right_in_the_mirror() -> None:
    """A wall on the left of the camera faces right; in the mirror image it is on the right."""
    left, right = torch.tensor([0.6, 0.0, -0.8]), torch.tensor([-0.6, 0.0, -0.8])
    image = torch.zeros(1, 3, 2, 4)
    image[0, 2] = -1.0
    image[0, :, :, 0] = left[:, None]
    expected = torch.zeros(1, 3, 2, 4)
    expected[0, 2] = -1.0
    expected[0, :, :, 3] = right[:, None]
    assert torch.equal(NormalsReadout().mirror(image), expected)
    depth = torch.arange(4.0)[None, None, None]
    assert torch.equal(DepthReadout().mirror(depth), depth.flip(-1))


@pytest.mark.parametrize(
    ("kind", "options", "parts"),
    [
        (Readout, {"channels": 0}, ("channels", "0")),
        (DepthReadout, {"min_depth": 0.0}, ("min_depth", "above 0")),
        (DepthReadout, {"max_depth": 1e-4}, ("max_depth", "above 0.001")),
        (DepthReadout, {"activation": "relu"}, ("activation", "'softplus'")),
    ],
)
def test_options_that_are_refused(kind: Any, options: Any, parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        kind(**options)
