"""The convolution of resized maps against resizing, concatenating and convolving."""

import copy

import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from vision.errors import ConfigError
from vision.layers.resized_conv import (
    ResizedConv2d,
    multiply_adds,
    tap_matrix,
)
from vision.ops.interpolation import interpolation_matrix

CPU = torch.device("cpu")
CHANNELS = (3, 20, 12, 2)
SIZES = ((21, 27), (11, 14), (6, 7), (1, 4))


def some_maps(sizes=SIZES, batch: int = 2, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, channels, *size, generator=generator, dtype=torch.float64).to(dtype)
        for channels, size in zip(CHANNELS, sizes, strict=False)
    ]


def some_conv(out_channels: int = 24, **options) -> ResizedConv2d:
    torch.manual_seed(0)
    conv = ResizedConv2d(CHANNELS, out_channels, **options).double()
    if conv.bias is not None:
        torch.nn.init.normal_(conv.bias)
    return conv


def plain(conv: ResizedConv2d, maps: list[Tensor], size: tuple[int, int]) -> Tensor:
    resized = [
        F.interpolate(x, size=size, mode="bilinear", align_corners=conv.align_corners) for x in maps
    ]
    padding = conv.kernel_size // 2
    return F.conv2d(torch.cat(resized, dim=1), conv.weight, conv.bias, padding=padding)


def test_tap_matrix_shifts_and_fills_with_zeros() -> None:
    options = {"align_corners": False, "device": CPU, "dtype": torch.float64}
    matrix = interpolation_matrix(3, 5, **options)
    above, here, below = tap_matrix(3, 5, taps=3, **options).split(3, dim=1)
    zero = torch.zeros(1, 3, dtype=torch.float64)
    assert torch.equal(here, matrix)
    assert torch.equal(above, torch.cat([zero, matrix[:-1]]))
    assert torch.equal(below, torch.cat([matrix[1:], zero]))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("size", [None, (21, 28), (40, 9), (2, 2), (1, 1)])
def test_equals_resizing_first(
    kernel_size: int, align_corners: bool, size: tuple[int, int] | None
) -> None:
    conv = some_conv(kernel_size=kernel_size, align_corners=align_corners, bias=True)
    ours, theirs = some_maps(), some_maps()
    for x in ours + theirs:
        x.requires_grad_()
    actual, expected = conv(ours, size), plain(conv, theirs, size or SIZES[0])
    assert (actual - expected).abs().max() < 1e-12
    upstream = torch.randn_like(expected)
    weights = list(conv.parameters())
    expected_gradients = torch.autograd.grad(expected, [*theirs, *weights], upstream)
    gradients = torch.autograd.grad(actual, [*ours, *weights], upstream)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        scale = expected_gradient.abs().max().clamp(min=1)
        assert (gradient - expected_gradient).abs().max() < 1e-12 * scale


@given(
    sizes=st.lists(st.tuples(st.integers(1, 24), st.integers(1, 24)), min_size=4, max_size=4),
    size=st.tuples(st.integers(1, 24), st.integers(1, 24)),
    out_channels=st.sampled_from([1, 7, 64]),
    kernel_size=st.sampled_from([1, 3]),
    align_corners=st.booleans(),
)
@examples(60)
@torch.no_grad()
def test_any_sizes(sizes, size, out_channels, kernel_size, align_corners) -> None:
    conv = some_conv(out_channels, kernel_size=kernel_size, align_corners=align_corners)
    maps = some_maps(sizes, batch=1)
    expected = plain(conv, maps, size)
    assert (conv(maps, size) - expected).abs().max() < 1e-12
    if kernel_size > 1:
        # The second order wherever it is possible, cheaper or not.
        weights = conv.weight.split(CHANNELS, dim=1)
        parts = [conv._convolve_first(x, w, size) for x, w in zip(maps, weights, strict=True)]
        assert (sum(parts) - expected).abs().max() < 1e-12


def test_gradients_by_finite_differences() -> None:
    conv = ResizedConv2d([2], 2, bias=True).double()
    x = torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert multiply_adds(2, 2, 3, (3, 2), (7, 9))[1] < multiply_adds(2, 2, 3, (3, 2), (7, 9))[0]

    def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        weights = {"weight": weight, "bias": bias}
        return torch.func.functional_call(conv, weights, ([x], (7, 9)))

    assert torch.autograd.gradcheck(function, (x, conv.weight, conv.bias))


def test_parameters_are_those_of_a_convolution() -> None:
    conv = ResizedConv2d(CHANNELS, 6, kernel_size=3, bias=True)
    other = torch.nn.Conv2d(sum(CHANNELS), 6, 3, padding=1)
    other.load_state_dict(conv.state_dict())
    maps = [torch.randn(2, channels, 5, 6) for channels in CHANNELS]
    torch.testing.assert_close(conv(maps), other(torch.cat(maps, dim=1)), atol=1e-5, rtol=1e-5)


def flops(run) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_multiply_adds_are_those_that_pytorch_counts(kernel_size: int) -> None:
    """Of products, as PyTorch does not count a resize."""
    conv = ResizedConv2d([16], 32, kernel_size=kernel_size).to("meta")
    x = torch.empty(1, 16, 7, 9, device="meta")
    resized_first, convolved_first = multiply_adds(16, 32, kernel_size, (7, 9), (14, 20))
    assert convolved_first < resized_first
    resizes = 4 * 32 * 14 * 20 if kernel_size == 1 else 0
    assert flops(lambda: conv([x], (14, 20))) == 2 * (convolved_first - resizes)
    expected = flops(lambda: plain(conv, [x], (14, 20)))
    assert expected == 2 * (resized_first - 4 * 16 * 14 * 20)


def test_fusion_of_upernet_needs_under_two_fifths() -> None:
    """512 x 512 pixels, maps of strides 4 to 32, 512 channels."""
    conv = ResizedConv2d([512] * 4, 512).to("meta")
    maps = [torch.empty(1, 512, side, side, device="meta") for side in (128, 64, 32, 16)]
    ours, theirs = flops(lambda: conv(maps)), flops(lambda: plain(conv, maps, (128, 128)))
    assert ours / theirs == pytest.approx(0.371, abs=0.001)


def test_cheaper_order_is_taken() -> None:
    """Few channels make the two matrices dearer than the kernel."""
    conv = ResizedConv2d([8], 8).to("meta")
    x = torch.empty(1, 8, 60, 60, device="meta")
    resized_first, convolved_first = multiply_adds(8, 8, 3, (60, 60), (61, 61))
    assert resized_first < convolved_first
    assert flops(lambda: conv([x], (61, 61))) == flops(lambda: plain(conv, [x], (61, 61)))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_memory_layouts(kernel_size: int) -> None:
    conv, maps = some_conv(kernel_size=kernel_size), some_maps()
    expected = conv(maps)
    last = [x.to(memory_format=torch.channels_last) for x in maps]
    assert (conv(last) - expected).abs().max() < 1e-12
    strided = [F.pad(x, (1, 2, 1, 1))[..., 1:-1, 1:-2] for x in maps]
    assert (conv(strided) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_autocast_and_half_precision(kernel_size: int) -> None:
    conv, maps = some_conv(kernel_size=kernel_size).float(), some_maps(dtype=torch.float32)
    for x in maps:
        x.requires_grad_()
    expected = conv(maps)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = conv(maps)
    assert actual.dtype == torch.bfloat16
    actual.float().sum().backward()
    assert all(x.grad.isfinite().all() for x in maps)
    assert (actual - expected).abs().max() < 0.02 * expected.abs().max()
    half = conv.bfloat16()([x.bfloat16() for x in maps])
    assert half.dtype == torch.bfloat16
    assert (half - expected).abs().max() < 0.03 * expected.abs().max()


class OfList(torch.nn.Module):
    """Takes its maps one by one, as an exporter wants them."""

    def __init__(self, conv: ResizedConv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, maps: list[Tensor]) -> Tensor:
        return self.conv(maps)


def test_export() -> None:
    conv, maps = some_conv(), some_maps()
    program = torch.export.export(OfList(conv), (maps,)).module()
    assert (program(maps) - conv(maps)).abs().max() < 1e-12


def test_matrices_are_kept_out_of_copies_and_state() -> None:
    conv = some_conv()
    conv(some_maps())
    kept = len(conv.matrices)
    assert kept == 6
    conv(some_maps())
    assert len(conv.matrices) == kept
    assert list(conv.state_dict()) == ["weight"]
    assert len(copy.deepcopy(conv).matrices) == 0


def test_after_inference_mode() -> None:
    conv, maps = some_conv(), some_maps()
    with torch.inference_mode():
        conv(maps)
    conv(maps).sum().backward()


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        ResizedConv2d([], 3)
    with refuses(ConfigError, "positive", "2"):
        ResizedConv2d([3], 3, kernel_size=2)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        some_conv()(some_maps()[:3])
