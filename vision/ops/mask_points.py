"""Masks at points: values between pixels, and where they are least certain.

"PointRend: Image Segmentation as Rendering", Kirillov et al., 2020,
https://arxiv.org/abs/1912.08193, section 3.1. Points are (x, y) as shares of the map: (0, 0) is the
corner of its first cell and (1, 1) that of its last; beyond the border all is zero.

Letters: T masks, P points of each, C channels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import at_least_float32
from vision.ops.host_values import values_like
from vision.options import MAX_COUNT, PROBABILITY, Range, check_ranges


@dataclass(frozen=True)
class PointOptions:
    """How many points of a mask are compared, and which.

    "Masked-attention Mask Transformer for Universal Image Segmentation", Cheng et al., 2022,
    https://arxiv.org/abs/2112.01527, section 3.3.

    Attributes:
        count: Number P of points of a mask.
        oversample: How many times as many are drawn to choose from.
        uncertain_share: Share of the points that are the least certain of those; the others are
            drawn anywhere.

    Raises:
        ConfigError: A value is out of its range.
    """

    count: int = 12544
    oversample: float = 3.0
    uncertain_share: float = 0.75

    def __post_init__(self) -> None:
        ranges = {
            "count": Range(minimum=1, maximum=MAX_COUNT),
            "oversample": Range(minimum=1, maximum=1000),
            "uncertain_share": PROBABILITY,
        }
        check_ranges(vars(self), ranges, group="points")


def sample_maps(maps: Tensor, points: Tensor) -> Tensor:
    """Values of maps at points.

    Args:
        maps: float `(T, C, h, w)`.
        points: float `(T, P, 2)`.

    Returns:
        `(T, C, P)` in float32 at least.
    """
    grid = 2 * points[:, :, None] - 1  # (T, P, 1, 2)
    maps = at_least_float32(maps)
    if not len(maps):
        # Some kernels refuse an empty batch; the gradient is one of zeros all the same.
        return maps.flatten(2)[:, :, :1].expand(-1, -1, points.shape[1])
    return F.grid_sample(maps, grid.to(maps.dtype), align_corners=False)[..., 0]


def sample_masks(masks: Tensor, index: Tensor, points: Tensor) -> Tensor:
    """Values of masks at points, without a copy of the masks in floating point.

    Args:
        masks: bool `(M, H, W)`.
        index: int64 `(T,)` in [0, M), the mask of each row of points; one may have several.
        points: float `(T, P, 2)`.

    Returns:
        float32 `(T, P)` in [0, 1].
    """
    height, width = masks.shape[1:]
    x, y = (points.float() * values_like(points, [width, height], torch.float32) - 0.5).unbind(
        dim=-1
    )
    left, top = x.floor(), y.floor()
    flat, start = masks.flatten(), index[:, None] * (height * width)
    total = torch.zeros_like(x)
    for column, share_x in ((left, 1 - (x - left)), (left + 1, x - left)):
        for row, share_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            cell = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            total += share_x * share_y * (flat[start + cell.long()] & inside)
    return total


@torch.no_grad()
def uncertain_points(
    logits_at: Callable[[Tensor], Tensor], extents: Tensor, options: PointOptions
) -> Tensor:
    """Draw points, most of them where masks are least certain.

    Args:
        logits_at: Gives the logits `(T, P')` of the masks at points `(T, P', 2)`.
        extents: float `(T, 2)`, the largest x and y of points, on the device that draws them.
        options: How many points, and which.

    Returns:
        float32 `(T, P, 2)`.
    """
    count, device = len(extents), extents.device
    candidates = int(options.count * options.oversample)
    drawn = torch.rand(count, candidates, 2, device=device) * extents[:, None]
    kept = int(options.uncertain_share * options.count)
    best = (-logits_at(drawn).abs()).topk(kept, dim=1).indices  # (T, kept)
    chosen = drawn.gather(1, best[..., None].expand(-1, -1, 2))
    anywhere = torch.rand(count, options.count - kept, 2, device=device) * extents[:, None]
    return torch.cat([chosen, anywhere], dim=1)
