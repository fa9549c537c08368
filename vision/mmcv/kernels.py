"""mmcv's other compiled operators in PyTorch and torchvision.

As in `vision.mmcv.boxes`, each function of `KERNELS` has the name and the arguments of an
operator of mmcv 2.1.0 (https://github.com/open-mmlab/mmcv, Apache-2.0). They run on every device;
gradients come from PyTorch's own operators, computed again in the backward pass.
"""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from vision.layers.deformable import deformable_attention
from vision.mmcv.boxes import gradients

# The value of the flag that mmcv passes for one of the two kinds of PSANet's attention.
COLLECT = 0


def sigmoid_focal_loss_forward(
    logits: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss `(M, K)` of logits `(M, K)`; a target outside of 0..K-1 is the background."""
    output.copy_(_sigmoid_focal(logits, target, weight, gamma, alpha))


def sigmoid_focal_loss_backward(
    logits: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the gradient `(M, K)` of the sum of the loss."""
    loss = gradients(
        lambda x: _sigmoid_focal(x, target, weight, gamma, alpha),
        torch.ones_like(logits),
        logits,
    )
    grad_input.copy_(loss[0])


def _sigmoid_focal(
    logits: Tensor, target: Tensor, weight: Tensor, gamma: float, alpha: float
) -> Tensor:
    hit = target[:, None] == torch.arange(logits.shape[1], device=target.device)
    log_of_true = F.logsigmoid(torch.where(hit, logits, -logits))
    miss = torch.sigmoid(torch.where(hit, -logits, logits))  # 1 - probability of the truth
    loss = -torch.where(hit, alpha, 1 - alpha) * miss**gamma * log_of_true
    if weight.numel() == 0:
        return loss
    # A sample whose target is no class has no class weight: its row keeps its value.
    inside = (target >= 0) & (target < len(weight))
    factor = torch.where(inside, weight[target.clamp(0, len(weight) - 1)], 1)
    return loss * factor[:, None]


def softmax_focal_loss_forward(
    softmax: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss `(M,)` of probabilities `(M, K)`; 0 where the target is negative."""
    p, factor = _of_target(softmax, target, weight)
    output.copy_(-alpha * factor * (1 - p) ** gamma * _log(p))


def softmax_focal_loss_backward(
    softmax: Tensor,
    target: Tensor,
    weight: Tensor,
    buffer: Tensor,
    grad_input: Tensor,
    gamma: float,
    alpha: float,
) -> None:
    """Write the gradient `(M, K)` of the sum of the loss with regard to the logits."""
    p, factor = _of_target(softmax, target, weight)
    # With L(p) the loss and p_c the probabilities, dL/dx_c = L'(p) p (1[c is the target] - p_c).
    slope = gamma * (1 - p) ** (gamma - 1) * p * _log(p) - (1 - p) ** gamma
    buffer.copy_(alpha * factor * slope)
    hit = target[:, None] == torch.arange(softmax.shape[1], device=target.device)
    grad_input.copy_(buffer[:, None] * (hit.to(softmax.dtype) - softmax))


def _of_target(softmax: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Probability of each target and its weight, both `(M,)`."""
    index = target.clamp(min=0)
    factor = (target >= 0).to(softmax.dtype)
    if weight.numel():
        factor = factor * weight[index]
    return softmax.gather(1, index[:, None])[:, 0], factor


def _log(p: Tensor) -> Tensor:
    return p.clamp(min=torch.finfo(torch.float32).tiny).log()


def deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    offset: Tensor,
    output: Tensor,
    columns: Tensor,
    ones: Tensor,
    **sizes: Any,
) -> None:
    """Write the deformable convolution `(B, C, H, W)`."""
    output.copy_(_deform_conv(features, offset, weight, sizes))


def deform_conv_backward_input(
    features: Tensor,
    offset: Tensor,
    gradient: Tensor,
    grad_input: Tensor,
    grad_offset: Tensor,
    weight: Tensor,
    columns: Tensor,
    **sizes: Any,
) -> None:
    """Write the gradients of the features and of the offsets."""
    results = gradients(lambda x, o: _deform_conv(x, o, weight, sizes), gradient, features, offset)
    grad_input.copy_(results[0])
    grad_offset.copy_(results[1])


def deform_conv_backward_parameters(
    features: Tensor,
    offset: Tensor,
    gradient: Tensor,
    grad_weight: Tensor,
    columns: Tensor,
    ones: Tensor,
    **sizes: Any,
) -> None:
    """Add `scale` times the gradient of the weight."""
    anything = torch.zeros_like(grad_weight)  # linear in the weight
    results = gradients(lambda w: _deform_conv(features, offset, w, sizes), gradient, anything)
    grad_weight += sizes["scale"] * results[0]


def _deform_conv(features: Tensor, offset: Tensor, weight: Tensor, sizes: dict[str, Any]) -> Tensor:
    return torchvision.ops.deform_conv2d(
        features,
        offset,
        weight,
        stride=(sizes["dH"], sizes["dW"]),
        padding=(sizes["padH"], sizes["padW"]),
        dilation=(sizes["dilationH"], sizes["dilationW"]),
    )


def modulated_deform_conv_forward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    output: Tensor,
    columns: Tensor,
    **sizes: Any,
) -> None:
    """Write the modulated deformable convolution `(B, C, H, W)`."""
    output.copy_(_modulated(features, offset, mask, weight, bias, sizes))


def modulated_deform_conv_backward(
    features: Tensor,
    weight: Tensor,
    bias: Tensor,
    ones: Tensor,
    offset: Tensor,
    mask: Tensor,
    columns: Tensor,
    grad_input: Tensor,
    grad_weight: Tensor,
    grad_bias: Tensor,
    grad_offset: Tensor,
    grad_mask: Tensor,
    gradient: Tensor,
    **sizes: Any,
) -> None:
    """Write the gradients of all inputs."""
    inputs, targets = [features, offset, mask, weight], [grad_input, grad_offset, grad_mask]
    targets.append(grad_weight)
    if sizes["with_bias"]:
        inputs, targets = [*inputs, bias], [*targets, grad_bias]
    results = gradients(
        lambda x, o, m, w, b=bias: _modulated(x, o, m, w, b, sizes), gradient, *inputs
    )
    for target, result in zip(targets, results, strict=True):
        target.copy_(result)


def _modulated(
    features: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    bias: Tensor,
    sizes: dict[str, Any],
) -> Tensor:
    return torchvision.ops.deform_conv2d(
        features,
        offset,
        weight,
        bias if sizes["with_bias"] else None,
        stride=(sizes["stride_h"], sizes["stride_w"]),
        padding=(sizes["pad_h"], sizes["pad_w"]),
        dilation=(sizes["dilation_h"], sizes["dilation_w"]),
        mask=mask,
    )


def ms_deform_attn_forward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    im2col_step: int,
) -> Tensor:
    """Multi-scale deformable attention ("Deformable DETR", Zhu et al., 2021, equation 3).

    Letters: L levels, Q queries, P points per level.

    Args:
        value: `(B, N, heads, D)`, the maps of all levels flattened one after the other.
        shapes: int64 `(L, 2)` height and width of each map.
        starts: int64 `(L,)` first cell of each map.
        locations: `(B, Q, heads, L, P, 2)` of `(x, y)` in [0, 1] of each map.
        weights: `(B, Q, heads, L, P)`.
        im2col_step: Not used.

    Returns:
        `(B, Q, heads * D)`.
    """
    return deformable_attention(value, _sizes(shapes), locations, weights)


def ms_deform_attn_backward(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    locations: Tensor,
    weights: Tensor,
    gradient: Tensor,
    grad_value: Tensor,
    grad_locations: Tensor,
    grad_weights: Tensor,
    im2col_step: int,
) -> None:
    """Write the gradients of the values, the locations and the weights."""
    sizes = _sizes(shapes)
    results = gradients(
        lambda v, p, w: deformable_attention(v, sizes, p, w), gradient, value, locations, weights
    )
    for target, result in zip((grad_value, grad_locations, grad_weights), results, strict=True):
        target.copy_(result)


def _sizes(shapes: Tensor) -> list[tuple[int, int]]:
    return [(height, width) for height, width in shapes.tolist()]


def masked_im2col_forward(
    features: Tensor,
    rows: Tensor,
    columns: Tensor,
    patches: Tensor,
    kernel_h: int,
    kernel_w: int,
    pad_h: int,
    pad_w: int,
) -> None:
    """Write the patches `(C * h * w, M)` around M places of the map `(1, C, H, W)`."""
    padded = F.pad(features[0], (pad_w, pad_w, pad_h, pad_h))
    windows = padded.unfold(1, kernel_h, 1).unfold(2, kernel_w, 1)  # (C, H, W, h, w), a view
    patches.copy_(windows[:, rows, columns].permute(0, 2, 3, 1).flatten(0, 2))


def masked_col2im_forward(
    values: Tensor,
    rows: Tensor,
    columns: Tensor,
    output: Tensor,
    height: int,
    width: int,
    channels: int,
) -> None:
    """Write the values `(C, M)` to their places in the map `(1, C, H, W)`."""
    output[0, :, rows, columns] = values


def psamask_forward(mask: Tensor, output: Tensor, psa_type: int, **sizes: int) -> None:
    """Write the attention `(B, H * W, H, W)` of the masks `(B, h * w, H, W)`.

    "PSANet", Zhao et al., 2018, section 3.2: each place has a mask of weights around it. `collect`
    puts the weight of place t in the mask of place p at `[t, p]`, `distribute` at `[p, t]`.
    """
    cell, here, there = _psa_places(sizes, mask.device)
    flat = output.flatten(2)
    first, second = (there, here) if psa_type == COLLECT else (here, there)
    flat[:, first, second] = mask.flatten(2)[:, cell, here]


def psamask_backward(gradient: Tensor, grad_input: Tensor, psa_type: int, **sizes: int) -> None:
    """Write the gradient of the masks."""
    cell, here, there = _psa_places(sizes, gradient.device)
    first, second = (there, here) if psa_type == COLLECT else (here, there)
    grad_input.flatten(2)[:, cell, here] = gradient.flatten(2)[:, first, second]


def _psa_places(sizes: dict[str, int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For all pairs in the map: cell of the mask, place of the mask, place under the cell."""
    height, width = sizes["h_feature"], sizes["w_feature"]
    rows = torch.arange(sizes["h_mask"], device=device)[:, None, None, None]
    columns = torch.arange(sizes["w_mask"], device=device)[None, :, None, None]
    y = torch.arange(height, device=device)[None, None, :, None]
    x = torch.arange(width, device=device)[None, None, None, :]
    row, column = rows + y - sizes["half_h_mask"], columns + x - sizes["half_w_mask"]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    cell = (rows * sizes["w_mask"] + columns).expand_as(inside)[inside]
    here = (y * width + x).expand_as(inside)[inside]
    return cell, here, (row * width + column)[inside]


def get_compiler_version() -> str:
    """Text for mmengine's report on the environment."""
    return "n/a"


def get_compiling_cuda_version() -> str:
    """Text for mmengine's report on the environment."""
    return "n/a"


KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: kernel
    for kernel in (
        sigmoid_focal_loss_forward,
        sigmoid_focal_loss_backward,
        softmax_focal_loss_forward,
        softmax_focal_loss_backward,
        deform_conv_forward,
        deform_conv_backward_input,
        deform_conv_backward_parameters,
        modulated_deform_conv_forward,
        modulated_deform_conv_backward,
        ms_deform_attn_forward,
        ms_deform_attn_backward,
        masked_im2col_forward,
        masked_col2im_forward,
        psamask_forward,
        psamask_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}
