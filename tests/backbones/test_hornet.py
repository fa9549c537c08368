"""What is special to HorNet: recursive gates and global filters."""

from typing import Any

import pytest
import torch
from helpers.literal import check_literal
from helpers.refusals import refuses

from vision import create_backbone
from vision.backbones.hornet import HorNet
from vision.errors import ConfigError
from vision.layers.gated_conv import GlobalLocalFilter
from vision.layers.spectrum import resize_filter

TINY: dict[str, Any] = {"dim": 16, "depths": (1, 1, 1, 1)}


@pytest.mark.parametrize("filters", [(None,) * 4, ((5, 3), (3, 4), None, (1, 2))])
def test_the_network_is_its_equations(filters: tuple[tuple[int, int] | None, ...]) -> None:
    check_literal(HorNet(**TINY, global_filters=filters, layer_scale=0.3), (47, 65))


def test_orders_may_be_others_and_scales_left_out() -> None:
    options = {"dim": 8, "depths": (1, 1), "orders": (1, 4), "scales": (0.5, 2.0)}
    check_literal(HorNet(**options, global_filters=(None, None), layer_scale=0.0), (33, 47))


def identity_filter(size: tuple[int, int]) -> GlobalLocalFilter:
    """The spectrum multiplied by one, and a convolution that copies its input."""
    layer = GlobalLocalFilter(6, grid_size=size)
    with torch.no_grad():
        layer.grid.copy_(torch.tensor([1.0, 0.0]).expand_as(layer.grid))
        layer.conv.weight.zero_()[:, :, 1, 1] = 1.0
    return layer


@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (5, 6), (1, 3)])
@torch.no_grad()
def test_a_filter_of_ones_only_interleaves_the_halves(shape: tuple[int, int]) -> None:
    layer = identity_filter((8, 5))
    x = torch.randn(2, 6, *shape)
    normed = layer.pre_norm(x)
    interleaved = normed[:, [0, 3, 1, 4, 2, 5]]
    torch.testing.assert_close(layer(x), layer.post_norm(interleaved), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_linear_phase_shifts_the_map() -> None:
    """The shift theorem: row frequency u times -2 pi i / H moves the map by one row."""
    layer = identity_filter((6, 3))
    frequency = torch.fft.fftfreq(6)
    phase = torch.polar(torch.ones(6), -2 * torch.pi * frequency)
    layer.grid.copy_(torch.view_as_real(phase)[None, :, None])
    x = torch.randn(1, 6, 6, 4)
    normed = layer.pre_norm(x)
    near, far = normed[:, :3], normed[:, 3:].roll(1, dims=2)
    expected = layer.post_norm(torch.stack((near, far), dim=2).flatten(1, 2))
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_resizing_a_filter_keeps_its_corners() -> None:
    grid = torch.randn(3, 6, 4, 2)
    resized = resize_filter(grid, (9, 7))
    assert resized.shape == (3, 9, 7, 2)
    for row in (0, -1):
        for column in (0, -1):
            torch.testing.assert_close(resized[:, row, column], grid[:, row, column])
    # Aligned corners: halfway along an axis of 4 lies halfway along one of 7.
    torch.testing.assert_close(resized[:, 0, 3], grid[:, 0, 1:3].mean(dim=1))


def test_resizing_to_the_own_size_changes_nothing() -> None:
    grid = torch.randn(3, 14, 8, 2)
    assert torch.equal(resize_filter(grid, (14, 8)), grid)


@torch.no_grad()
def test_the_spectrum_is_float32_under_autocast() -> None:
    layer = identity_filter((8, 5))
    x = torch.randn(2, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        rough = layer(x)
    torch.testing.assert_close(rough.float(), layer(x), rtol=0.05, atol=0.05)


def test_the_filter_fits_the_map_at_the_published_size() -> None:
    for name in ("hornet_tiny_gf", "hornet_large_gf_384"):
        with torch.device("meta"):
            backbone = create_backbone(name)
        height, width = backbone.default_input.size
        for stage, spec in zip(backbone.stages, backbone.feature_specs, strict=True):
            mix = stage[0].gnconv.mix
            if isinstance(mix, GlobalLocalFilter):
                grid = (height // spec.stride, width // spec.stride // 2 + 1)
                assert mix.grid.shape[1:3] == grid
        assert isinstance(backbone.stages[2][0].gnconv.mix, GlobalLocalFilter)


@torch.no_grad()
def test_a_layer_scale_of_zero_leaves_the_scales_out() -> None:
    torch.manual_seed(0)
    without = HorNet(**TINY, layer_scale=0.0).eval()
    ones = HorNet(**TINY, layer_scale=1.0).eval()
    assert not [name for name, _ in without.named_parameters() if "gamma" in name]
    ones.load_state_dict(without.state_dict(), strict=False)
    images = torch.randn(1, 3, 48, 40)
    torch.testing.assert_close(ones.embed(images), without.embed(images))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ({"dim": 5}, ("5 channels", "2")),
        ({"orders": (2, 3, 4)}, ("orders: 3",)),
        ({"orders": (2, 3, 4, 0)}, ("orders 0",)),
        # The narrowest part has one channel, so that their sum is odd.
        ({"dim": 2, "global_filters": (None, None, None, (3, 2))}, ("global filter",)),
    ],
)
def test_options_that_do_not_fit_are_refused(
    overrides: dict[str, Any], named: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *named):
        HorNet(**{**TINY, **overrides})


def test_levels_of_decay_are_the_published_groups_of_two_blocks() -> None:
    with torch.device("meta"):
        groups = create_backbone("hornet_large_gf").decay_groups()  # blocks 2, 3, 18, 2
    level = {name: i for i, names in enumerate(groups) for name in names}
    blocks = [level[f"stages.2.{j}.norm1.weight"] for j in range(18)]
    assert blocks == [3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11]
