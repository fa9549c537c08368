"""What stands in for mmcv's operators, through mmcv's own functions where it is installed.

Compared with torchvision, with PyTorch code of mmcv or of other packages, or with plain loops.
"""

import numpy as np
import pytest
import torch
import torchvision
from helpers.mmcv_gradients import assert_same, gradients
from torch import Tensor, nn
from torch.nn import functional as F

from vision.mmcv.operators import provide_operators

pytest.importorskip("mmcv", reason="mmcv-lite is not installed")


@pytest.fixture(autouse=True)
def seeded() -> None:
    provide_operators()
    torch.manual_seed(0)


@pytest.mark.parametrize("weighted", [False, True])
def test_sigmoid_focal_loss(weighted: bool) -> None:
    from mmcv.ops import sigmoid_focal_loss

    logits, target = 3 * torch.randn(9, 4), torch.arange(9) % 5  # 4 is the background
    weight = torch.rand(4) if weighted else None
    factor = torch.cat([weight, torch.ones(1)])[target][:, None] if weighted else 1

    def expected(x: Tensor) -> Tensor:
        one_hot = F.one_hot(target, 5)[:, :4].to(x.dtype)
        return torchvision.ops.sigmoid_focal_loss(x, one_hot, alpha=0.25, gamma=2.0) * factor

    for reduction in ("none", "sum", "mean"):
        ours = gradients(
            lambda x, r=reduction: sigmoid_focal_loss(x, target, 2.0, 0.25, weight, r), logits
        )
        whole = {"none": lambda x: x, "sum": torch.sum, "mean": lambda x: x.sum() / 9}[reduction]
        if reduction == "none":
            # mmcv multiplies by the gradient of each element
            assert_same(ours, gradients(expected, logits))
        else:
            assert_same(ours, gradients(lambda x, w=whole: w(expected(x)), logits))


@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_focal_loss(weighted: bool) -> None:
    from mmcv.ops import softmax_focal_loss

    logits, target = 3 * torch.randn(8, 4), torch.arange(8) % 4
    target[3] = -1  # counts nothing
    weight = torch.rand(4) if weighted else None

    def expected(x: Tensor) -> Tensor:
        log_p = x.log_softmax(1)[torch.arange(8), target]
        factor = weight[target] if weighted else 1
        loss = -0.25 * (1 - log_p.exp()) ** 2.0 * log_p * factor
        return torch.where(target >= 0, loss, 0).sum() / 8

    ours = gradients(lambda x: softmax_focal_loss(x, target, 2.0, 0.25, weight, "mean"), logits)
    assert_same(ours, gradients(expected, logits))


def test_deform_conv_without_offsets_is_a_convolution() -> None:
    from mmcv.ops import DeformConv2d, ModulatedDeformConv2d

    x = torch.randn(2, 4, 9, 8)
    for kind, groups in ((DeformConv2d, 2), (ModulatedDeformConv2d, 1)):
        layer = kind(4, 6, 3, stride=2, padding=1, groups=groups)
        plain = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=groups)
        plain.load_state_dict(layer.state_dict() | {"bias": torch.zeros(6)})
        arguments = [torch.zeros(2, 18, 5, 4)]
        if kind is ModulatedDeformConv2d:
            arguments.append(torch.ones(2, 9, 5, 4))
            layer.bias.data.zero_()
        torch.testing.assert_close(layer(x, *arguments), plain(x), rtol=1e-5, atol=1e-5)


def test_deform_conv() -> None:
    from mmcv.ops import deform_conv2d

    x, weight = torch.randn(2, 4, 9, 8), torch.randn(6, 2, 3, 3)
    offset = torch.randn(2, 2 * 18, 5, 4)
    ours = gradients(lambda *a: deform_conv2d(*a, 2, 1, 1, 2, 2), x, offset, weight)
    expected = gradients(
        lambda x, o, w: torchvision.ops.deform_conv2d(x, o, w, stride=2, padding=1),
        x,
        offset,
        weight,
    )
    assert_same(ours, expected)


@pytest.mark.parametrize("with_bias", [False, True])
def test_modulated_deform_conv(with_bias: bool) -> None:
    from mmcv.ops import modulated_deform_conv2d

    inputs = [
        torch.randn(2, 4, 9, 8),
        torch.randn(2, 36, 9, 8),
        torch.rand(2, 18, 9, 8),
        torch.randn(6, 4, 3, 3),
    ]
    inputs += [torch.randn(6)] if with_bias else []

    def theirs(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        bias = bias[0] if bias else None
        return modulated_deform_conv2d(x, offset, mask, weight, bias, 1, 2, 2, 1, 2)

    def expected(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *bias: Tensor) -> Tensor:
        return torchvision.ops.deform_conv2d(
            x, offset, weight, bias[0] if bias else None, padding=2, dilation=2, mask=mask
        )

    assert_same(gradients(theirs, *inputs), gradients(expected, *inputs))


def test_deformable_attention_is_that_of_mmcv_in_pytorch() -> None:
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction,
        multi_scale_deformable_attn_pytorch,
    )

    shapes = torch.tensor([[4, 6], [2, 3]])
    starts = torch.tensor([0, 24])
    inputs = [torch.randn(2, 30, 2, 5), torch.rand(2, 7, 2, 2, 3, 2), torch.rand(2, 7, 2, 2, 3)]
    ours = gradients(
        lambda v, p, w: MultiScaleDeformableAttnFunction.apply(v, shapes, starts, p, w, 64), *inputs
    )
    expected = gradients(
        lambda v, p, w: multi_scale_deformable_attn_pytorch(v, shapes, p, w), *inputs
    )
    assert_same(ours, expected)


def test_masked_conv_is_the_convolution_at_the_places_of_the_mask() -> None:
    from mmcv.ops import MaskedConv2d

    layer = MaskedConv2d(3, 5, 3, padding=1).eval()
    x, mask = torch.randn(1, 3, 6, 7), torch.rand(1, 6, 7) > 0.5
    plain = F.conv2d(x, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x, mask), plain * mask, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["collect", "distribute"])
def test_psa_mask(kind: str) -> None:
    from mmcv.ops import PSAMask

    batch, (height, width), (h, w) = 2, (3, 4), (5, 3)
    masks = torch.randn(batch, h * w, height, width)

    def expected(x: Tensor) -> Tensor:
        output = x.new_zeros(batch, height * width, height * width)
        for y, x0, i, j in np.ndindex(height, width, h, w):
            row, column = y + i - (h - 1) // 2, x0 + j - (w - 1) // 2
            if 0 <= row < height and 0 <= column < width:
                here, there = y * width + x0, row * width + column
                place = (there, here) if kind == "collect" else (here, there)
                output[:, place[0], place[1]] = x[:, i * w + j, y, x0]
        return output.view(batch, height * width, height, width)

    layer = PSAMask(kind, (h, w))
    assert_same(gradients(layer, masks), gradients(expected, masks))


def test_the_report_of_the_environment_can_be_made() -> None:
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version

    assert get_compiler_version() == get_compiling_cuda_version() == "n/a"
