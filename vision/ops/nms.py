"""Non-maximum suppression of groups of boxes, over a whole batch at once."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import nms

from vision.ops.tracing import is_traced

# On a CPU, a call costs as much as comparing this number of pairs of boxes.
PAIRS_PER_CALL = 30_000
# The kernel for GPUs keeps one bit per pair of boxes: 128 MiB for this number.
MAX_BOXES = 2**15
GROUP_DISTANCE = 2.0**20  # pixels, more than any image is wide


def batched_nms(boxes: Tensor, scores: Tensor, groups: Tensor, iou_threshold: float) -> Tensor:
    """Drop each box that overlaps one of a higher score of the same group.

    On a GPU, groups are moved apart and suppressed by one call. On a CPU that is done where boxes
    are few for their groups; else each group has a call, since one would compare all pairs.

    Args:
        boxes: `(N, 4)`.
        scores: `(N,)`.
        groups: int64 `(N,)`, such as the class, 0 or more.
        iou_threshold: Intersection over union above which a box is dropped.

    Returns:
        int64 indices of the boxes that are kept, by falling score; of equal scores, the first
        comes first.
    """
    # float64: the distance of groups takes none of the precision of their boxes.
    boxes, scores = boxes.double(), scores.double()
    if is_traced() or not boxes.is_cpu:
        return nms(_apart(boxes, groups), scores, iou_threshold)
    order = groups.argsort(stable=True)
    sizes = torch.unique_consecutive(groups[order], return_counts=True)[1].tolist()
    if len(boxes) ** 2 <= PAIRS_PER_CALL * len(sizes):
        return nms(_apart(boxes, groups), scores, iou_threshold)
    kept = [part[nms(boxes[part], scores[part], iou_threshold)] for part in order.split(sizes)]
    # In their first order, which the stable sort by score keeps for ties.
    together = torch.cat(kept).sort().values
    return together[scores[together].argsort(descending=True, stable=True)]


def _apart(boxes: Tensor, groups: Tensor) -> Tensor:
    # The distance is a power of two, so that whole coordinates stay exact.
    distance: Tensor | float = GROUP_DISTANCE
    if torch.onnx.is_in_onnx_export():
        # There boxes are float32: no further apart than they must be.
        distance = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max().ceil() + 1
    return boxes + groups[:, None].to(boxes.dtype) * distance


def keep_detections(
    boxes: Tensor, scores: Tensor, groups: Tensor, *, iou_threshold: float, max_per_image: int
) -> tuple[Tensor, Tensor]:
    """Suppress the boxes of each image and choose the best.

    Args:
        boxes: `(B, N, 4)`.
        scores: `(B, N)`; places with a score of 0 or less are empty and never chosen.
        groups: int64 `(B, N)`, 0 or more: only boxes of the same group suppress each other.
        iou_threshold: Intersection over union above which the box of the lower score is dropped.
        max_per_image: Number D of places for each image.

    Returns:
        Index int64 `(B, D)` into the N boxes, by falling score, and bool `(B, D)`, whether the
        place is filled; the index is 0 where it is not.
    """
    batch, count = scores.shape
    kept = torch.zeros(batch * count, dtype=torch.bool, device=boxes.device)
    step = max(1, MAX_BOXES // max(1, count)) if boxes.is_cuda else batch
    for start in range(0, batch, step):
        part = slice(start, start + step)
        candidates = (scores[part] > 0).flatten().nonzero().squeeze(1)
        image = torch.arange(len(scores[part]), device=boxes.device)[:, None]
        groups_apart = (groups[part] * len(scores[part]) + image).flatten()
        winners = candidates[
            batched_nms(
                boxes[part].reshape(-1, 4)[candidates],
                scores[part].reshape(-1)[candidates],
                groups_apart[candidates],
                iou_threshold,
            )
        ]
        kept[winners + start * count] = True
    ranks = scores.float().masked_fill(~kept.view(batch, count), -1.0)
    # Which of two equal scores comes first must not depend on the batch: a full and stable sort, or
    # the sort of ONNX, which takes the first of equal scores.
    if torch.onnx.is_in_onnx_export():
        ranks, index = ranks.topk(count, dim=1)
    else:
        ranks, index = ranks.sort(dim=1, descending=True, stable=True)
    missing = (0, max(0, max_per_image - count))
    valid = F.pad(ranks[:, :max_per_image], missing, value=-1.0) > 0
    return F.pad(index[:, :max_per_image], missing).masked_fill(~valid, 0), valid
