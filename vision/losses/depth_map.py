"""The loss of a map of depth in bins, of which only boxes around objects are known.

Letters: B images, M places for objects, N bins, maps of h x w cells.
"""

import torch
from torch import Tensor

from vision.ops.boxes import at_least_float32
from vision.ops.depth_bins import DepthBins
from vision.ops.monocular_targets import PaddedObjects

# The depth of cells that no box covers.
NO_OBJECT = 0.0
# Focal loss.
ALPHA, GAMMA = 0.25, 2.0
# Weight of cells in boxes; the others have 1.
OBJECT_WEIGHT = 13.0
# Share of the loss of every other bin beside that of the right one, as in kornia's focal loss.
SMOOTHING = 1e-6


def depth_map_loss(logits: Tensor, objects: PaddedObjects, bins: DepthBins) -> Tensor:
    """Focal loss over the bins of each cell, the mean over all cells.

    "Categorical Depth Distribution Network for Monocular 3D Object Detection", Reading et al.,
    2021, https://arxiv.org/abs/2103.01100, with boxes in place of a lidar's depth as
    in "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310.

    Args:
        logits: float `(B, N + 1, h, w)`, before the softmax.
        objects: The objects.
        bins: The bins; what lies outside of them, and the background, is in the last one.

    Returns:
        `()` in float32 at least.
    """
    depth, covered = paint_depth(objects, (logits.shape[-2], logits.shape[-1]))
    shares = at_least_float32(logits).log_softmax(dim=1)
    terms = -ALPHA * (1 - shares.exp()) ** GAMMA * shares  # (B, N + 1, h, w)
    # Whatever the first bin holds, it does not hold the background.
    index = bins.index(depth).where(covered, bins.count)
    own = terms.gather(1, index[:, None])[:, 0]
    loss = own + SMOOTHING * terms.sum(dim=1)
    return (loss * torch.where(covered, OBJECT_WEIGHT, 1.0)).mean()


def paint_depth(objects: PaddedObjects, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Paint the 2-D boxes of objects with their depth, nearer ones in front.

    Args:
        objects: The objects.
        size: Height h and width w of the map; cells that a box touches belong to it.

    Returns:
        float `(B, h, w)` metres, `NO_OBJECT` where there is none, and bool `(B, h, w)`, whether
        there is one.
    """
    rows, columns = (torch.arange(side, device=objects.boxes2d.device) for side in size)
    x1, y1, x2, y2 = objects.boxes2d.unbind(dim=-1)  # (B, M)
    down = _touched(rows, y1 * size[0], y2 * size[0]) & objects.valid[..., None]  # (B, M, h)
    across = _touched(columns, x1 * size[1], x2 * size[1])  # (B, M, w)
    inside = down[..., None] & across[:, :, None]  # (B, M, h, w)
    nearest = objects.depth[..., None, None].where(inside, torch.inf).amin(dim=1)
    covered = inside.any(dim=1)
    return nearest.where(covered, NO_OBJECT), covered


def _touched(cells: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Whether a cell of an axis is touched by intervals `(B, M)` in cells; `(B, M, cells)`."""
    return (cells >= low.floor()[..., None]) & (cells < high.ceil()[..., None])
