"""F1 of the detections of one image, for sorting images."""

import torch
from torch import Tensor

from vision.ops.boxes import box_iof, box_iou


def detection_f1(
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor,
    *,
    true_boxes: Tensor,
    true_labels: Tensor,
    crowd: Tensor,
    min_score: float = 0.5,
    min_iou: float = 0.5,
) -> float:
    """F1 of the detections of one image: harmonic mean of precision and recall.

    By falling score, a detection takes the object of its class that it overlaps most and that is
    still free. One that finds none but lies in a crowd of its class is not counted, nor are crowds.

    Args:
        boxes: float `(D, 4)`, `(x1, y1, x2, y2)` of the detections.
        labels: int64 `(D,)` class index.
        scores: float `(D,)` in [0, 1].
        true_boxes: float `(M, 4)` of the objects, in the same pixels.
        true_labels: int64 `(M,)` class index.
        crowd: bool `(M,)`, whether an object is a crowd.
        min_score: Detections with a lower score are not counted.
        min_iou: Intersection over union from which an object is found; the same share of the
            detection's own area puts it into a crowd.

    Returns:
        In [0, 1]; 1 where there are neither objects nor detections.
    """
    kept = (scores >= min_score).nonzero().squeeze(1)
    kept = kept[scores[kept].argsort(descending=True, stable=True)]
    boxes, labels = boxes[kept], labels[kept]
    same = labels[:, None] == true_labels[None]  # (D, M)
    overlaps = torch.where(same & ~crowd, box_iou(boxes, true_boxes), 0.0)
    in_crowd = (same & crowd & (box_iof(boxes, true_boxes) >= min_iou)).any(dim=1)
    free = ~crowd
    found = ignored = 0
    for overlap, ignorable in zip(overlaps, in_crowd.tolist(), strict=True):
        overlap = torch.where(free, overlap, 0.0)
        best = int(overlap.argmax()) if len(overlap) else -1
        if best >= 0 and overlap[best] >= min_iou:
            free[best] = False
            found += 1
        elif ignorable:
            ignored += 1
    total = len(kept) - ignored + int((~crowd).sum())
    return 2 * found / total if total else 1.0
