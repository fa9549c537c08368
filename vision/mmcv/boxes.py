"""mmcv's compiled operators on boxes in PyTorch and torchvision.

Each function of `KERNELS` has the name and the arguments of an operator of mmcv 2.1.0
(https://github.com/open-mmlab/mmcv, Apache-2.0) as `mmcv.ops` calls it: results are written to the
tensors that the caller hands over, or returned. `vision.mmcv.operators` puts them in the place
of the extension.
"""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor

from vision.errors import ConfigError

# Values of the flags that mmcv passes.
AVERAGE, IOU, LINEAR, GAUSSIAN = 1, 0, 1, 2


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
    """Indices int64 of the boxes `(M, 4)` that are kept, by falling score."""
    boxes = boxes.float()
    # A box whose sides count both border pixels is one that ends `offset` later.
    boxes = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(boxes, scores.float(), iou_threshold)


def softnms(
    boxes: Tensor,
    scores: Tensor,
    dets: Tensor,
    iou_threshold: float,
    sigma: float,
    min_score: float,
    method: int,
    offset: int,
) -> Tensor:
    """Write `(box, lowered score)` in order of choice to `dets` `(M, 5)`; return the indices."""
    scores, left = scores.clone(), torch.arange(len(boxes))
    chosen: list[int] = []
    while len(left):
        best = int(left[scores[left].argmax()])
        dets[len(chosen), :4], dets[len(chosen), 4] = boxes[best], scores[best]
        chosen.append(best)
        left = left[left != best]
        overlap = boxes.new_zeros(len(left))
        bbox_overlaps(
            boxes[left], boxes[best][None].expand(len(left), -1), overlap, 0, True, offset
        )
        if method == GAUSSIAN:
            factor = torch.exp(-(overlap**2) / sigma)
        else:
            beyond = 1 - overlap if method == LINEAR else torch.zeros_like(overlap)
            factor = torch.where(overlap >= iou_threshold, beyond, 1)
        scores[left] *= factor
        left = left[scores[left] >= min_score]
    return torch.tensor(chosen, dtype=torch.int64)


def nms_match(dets: Tensor, iou_threshold: float) -> list[list[int]]:
    """Groups of indices of `dets` `(M, 5)`: each kept box, then those that it suppresses."""
    left, groups = dets[:, 4].argsort(descending=True, stable=True), []
    while len(left):
        best, left = left[:1], left[1:]
        overlap = dets.new_zeros(len(left))
        bbox_overlaps(dets[left, :4], dets[best, :4].expand(len(left), -1), overlap, 0, True, 0)
        suppressed = overlap >= iou_threshold
        groups.append([*best.tolist(), *left[suppressed].tolist()])
        left = left[~suppressed]
    return groups


def bbox_overlaps(
    boxes1: Tensor, boxes2: Tensor, ious: Tensor, mode: int, aligned: bool, offset: int
) -> None:
    """Write the IoU, or the intersection over the first area, of all or of aligned pairs."""
    first = boxes1 if aligned else boxes1[:, None]
    low = torch.maximum(first[..., :2], boxes2[..., :2])
    high = torch.minimum(first[..., 2:], boxes2[..., 2:])
    shared = (high - low + offset).clamp(min=0).prod(-1)
    area = (first[..., 2:] - first[..., :2] + offset).prod(-1)
    if mode == IOU:
        area = area + (boxes2[..., 2:] - boxes2[..., :2] + offset).prod(-1) - shared
    ious.copy_(shared / area)


def roi_align_forward(
    features: Tensor, rois: Tensor, output: Tensor, argmax_y: Tensor, argmax_x: Tensor, **flags: Any
) -> None:
    """Write the pooled regions `(M, C, h, w)`."""
    output.copy_(_roi_align(features, rois, flags))


def roi_align_backward(
    gradient: Tensor,
    rois: Tensor,
    argmax_y: Tensor,
    argmax_x: Tensor,
    grad_input: Tensor,
    **flags: Any,
) -> None:
    """Add the gradient of the features `(B, C, H, W)`."""
    # The mean of samples is linear: its gradient does not depend on the values.
    anything = torch.zeros_like(grad_input)
    grad_input += gradients(lambda x: _roi_align(x, rois, flags), gradient, anything)[0]


def _roi_align(features: Tensor, rois: Tensor, flags: dict[str, Any]) -> Tensor:
    if flags["pool_mode"] != AVERAGE:
        raise ConfigError(
            "RoIAlign with pool_mode='max' needs mmcv's compiled operators; without them there is "
            "pool_mode='avg', which published models use."
        )
    return torchvision.ops.roi_align(
        features,
        rois.to(features),
        (flags["aligned_height"], flags["aligned_width"]),
        flags["spatial_scale"],
        flags["sampling_ratio"],
        flags["aligned"],
    )


def roi_pool_forward(
    features: Tensor,
    rois: Tensor,
    output: Tensor,
    argmax: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Write the largest value of each cell of each region, and its position in the map.

    Not torchvision's: regions are not rounded to whole cells, and end a pixel later.
    """
    height, width = features.shape[-2:]
    argmax.fill_(-1)
    start, end = rois[:, 1:3] * spatial_scale, (rois[:, 3:] + 1) * spatial_scale
    size = (end - start) / rois.new_tensor([pooled_width, pooled_height])
    for row in range(pooled_height):
        for column in range(pooled_width):
            cell = rois.new_tensor([column, row])
            low, high = (cell * size + start).floor(), ((cell + 1) * size + start).ceil()
            corners = torch.cat([low, high], dim=1).long().clamp(min=0)
            for i, (left, top, right, bottom) in enumerate(corners.tolist()):
                region = features[int(rois[i, 0]), :, top:bottom, left:right]
                if region.numel() == 0 or not bool((size[i] > 0).all()):
                    continue
                value, place = region.flatten(1).max(dim=1)
                columns = region.shape[-1]
                output[i, :, row, column] = value
                place = (top + place // columns) * width + left + place % columns
                argmax[i, :, row, column] = place.to(argmax.dtype)
    assert int(argmax.max() if argmax.numel() else -1) < height * width, "a place outside the map"


def roi_pool_backward(
    gradient: Tensor,
    rois: Tensor,
    argmax: Tensor,
    grad_input: Tensor,
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
) -> None:
    """Add the gradient of the features `(B, C, H, W)`."""
    channels = grad_input.shape[1]
    taken = argmax >= 0
    image = rois[:, 0].long()[:, None, None, None].expand_as(argmax)[taken]
    channel = torch.arange(channels, device=argmax.device)[None, :, None, None]
    channel = channel.expand_as(argmax)[taken]
    where = (image, channel, argmax[taken].long())
    grad_input.flatten(2).index_put_(where, gradient[taken], accumulate=True)


def gradients(
    function: Callable[..., Tensor], gradient: Tensor, *inputs: Tensor
) -> tuple[Tensor, ...]:
    """Gradients of a function's inputs from its result's; the function is computed again."""
    with torch.enable_grad():
        leaves = [x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*leaves), leaves, gradient)


KERNELS: dict[str, Callable[..., Any]] = {
    kernel.__name__: kernel
    for kernel in (
        nms,
        softnms,
        nms_match,
        bbox_overlaps,
        roi_align_forward,
        roi_align_backward,
        roi_pool_forward,
        roi_pool_backward,
    )
}
