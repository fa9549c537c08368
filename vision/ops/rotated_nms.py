"""Non-maximum suppression of turned rectangles, class by class.

K counts classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.ops.rotated_iou import near_pairs, paired_rotated_iou


@torch.no_grad()
def rotated_nms(
    rectangles: Tensor,
    scores: Tensor,
    labels: Tensor,
    iou_thresholds: Sequence[float],
    *,
    max_before: Sequence[int] | None = None,
    max_after: Sequence[int] | None = None,
) -> Tensor:
    """Drop each rectangle that overlaps one of a higher score of the same class.

    Args:
        rectangles: `(N, 5)` as in `vision.ops.rotated_iou`.
        scores: `(N,)`.
        labels: int64 `(N,)` class index, 0 to K - 1.
        iou_thresholds: K numbers: intersection over union above which a rectangle is dropped.
        max_before: K numbers: how many of the best of each class are looked at; None for all.
        max_after: K numbers: how many of each class are kept at most; None for all.

    Returns:
        int64 indices of what is kept, by falling score; of equal scores, the first comes first.
    """
    order = scores.double().argsort(descending=True, stable=True)
    order = order[_first_of_class(labels[order], max_before)]
    candidates, classes = rectangles[order], labels[order]
    better, worse = _suppressing_pairs(candidates, classes, iou_thresholds)
    order = order[_survivors(len(order), better, worse)]
    return order[_first_of_class(labels[order], max_after)]


def _suppressing_pairs(
    candidates: Tensor, classes: Tensor, iou_thresholds: Sequence[float]
) -> tuple[Tensor, Tensor]:
    """Pairs of which the first, of the higher score, suppresses the second if it is kept."""
    better, worse = near_pairs(candidates, candidates)
    chosen = (better < worse) & (classes[better] == classes[worse])
    better, worse = better[chosen], worse[chosen]
    overlap = paired_rotated_iou(candidates[better].double(), candidates[worse].double())
    too_near = overlap > overlap.new_tensor(iou_thresholds)[classes[better]]
    return better[too_near], worse[too_near]


def _survivors(count: int, better: Tensor, worse: Tensor) -> Tensor:
    """What greedy suppression keeps, as bool `(count,)`.

    It is the only choice in which a candidate is kept if and only if none that is kept suppresses
    it. Applying that rule to all at once, again and again, settles the candidates by falling score.
    """
    kept = torch.ones(count, dtype=torch.bool, device=better.device)
    while True:
        settled = torch.ones_like(kept)
        settled[worse[kept[better]]] = False
        if torch.equal(settled, kept):
            return kept
        kept = settled


def _first_of_class(labels: Tensor, maximum: Sequence[int] | None) -> Tensor:
    """Whether each place is among the first of its class, as bool `(N,)`."""
    if maximum is None:
        return torch.ones_like(labels, dtype=torch.bool)
    order = labels.argsort(stable=True)
    _, place, counts = torch.unique_consecutive(
        labels[order], return_inverse=True, return_counts=True
    )
    begins = counts.cumsum(0) - counts
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order), device=order.device) - begins[place]
    return ranks < torch.as_tensor(maximum, device=labels.device)[labels]
