"""Pooling the features of boxes from a pyramid."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

from vision.ops.boxes import at_least_float32, box_area
from vision.ops.tracing import is_traced


def roi_levels(boxes: Tensor, levels: int, *, finest: float = 56.0) -> Tensor:
    """The map that each box is pooled from.

    "Feature Pyramid Networks for Object Detection", Lin et al., 2017, equation 1.

    Args:
        boxes: `(R, 4)`.
        levels: Number of maps.
        finest: Boxes of less than twice this side in pixels belong to the finest map.

    Returns:
        int64 `(R,)` in 0..levels - 1.
    """
    side = box_area(boxes).clamp(min=0).sqrt()
    return (side / finest + 1e-6).log2().floor().clamp(0, levels - 1).long()


def multi_level_roi_align(
    features: Sequence[Tensor],
    strides: Sequence[int],
    boxes: Tensor,
    image_index: Tensor,
    *,
    size: int,
    finest: float = 56.0,
) -> Tensor:
    """Pool a grid of features inside each box, from the map that fits the size of the box.

    "Mask R-CNN", He et al., 2017, section 3 (RoIAlign): bilinear samples at half-pixel centres, as
    many in a cell of the grid as it has cells of the map, so that a large box is averaged whole.

    Args:
        features: Maps `(B, C, h, w)`, finest first.
        strides: Pixels per cell of each map.
        boxes: `(R, 4)` in pixels of the image.
        image_index: int64 `(R,)`, the image of each box.
        size: Cells of the grid along each side.
        finest: See `roi_levels`.

    Returns:
        `(R, C, size, size)`, in the type of the features; zeros for empty boxes.
    """
    level = roi_levels(boxes, len(features), finest=finest)
    dtype = at_least_float32(features[0]).dtype
    if boxes.is_cpu and not is_traced():
        return _align_by_level(features, strides, boxes.to(dtype), image_index, level, size)
    # A box of another level is made empty: it then takes no samples and gives zeros, and no list of
    # the boxes of a level is needed, whose length would synchronise with a GPU.
    pooled = None
    for i, (feature, stride) in enumerate(zip(features, strides, strict=True)):
        here = boxes.to(dtype) * (level == i)[:, None]
        rois = torch.cat([image_index[:, None].to(dtype), here], dim=1)  # (R, 5)
        part = roi_align(
            feature.to(dtype), rois, size, spatial_scale=1 / stride, sampling_ratio=0, aligned=True
        )
        pooled = part if pooled is None else pooled + part
    assert pooled is not None, "a pyramid has at least one map"
    return pooled.to(features[0].dtype)


def _align_by_level(
    features: Sequence[Tensor],
    strides: Sequence[int],
    boxes: Tensor,
    image_index: Tensor,
    level: Tensor,
    size: int,
) -> Tensor:
    """The same from lists of the boxes of each level, where lists need no synchronisation."""
    pooled = features[0].new_zeros(len(boxes), features[0].shape[1], size, size, dtype=boxes.dtype)
    for i, (feature, stride) in enumerate(zip(features, strides, strict=True)):
        rows = (level == i).nonzero().squeeze(1)
        rois = torch.cat([image_index[rows, None].to(boxes.dtype), boxes[rows]], dim=1)
        part = roi_align(
            feature.to(boxes.dtype),
            rois,
            size,
            spatial_scale=1 / stride,
            sampling_ratio=0,
            aligned=True,
        )
        pooled = pooled.index_copy(0, rows, part)
    return pooled.to(features[0].dtype)
