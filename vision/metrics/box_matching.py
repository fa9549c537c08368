"""Match the detections of an image with its objects, and measure occlusion.

The rule is COCO's at one overlap threshold, so that counts agree with COCO's average precision.
"""

from typing import NamedTuple

import numpy as np
import torch

from vision.ops.boxes import box_iof, box_iou

MIN_IOU = 0.5


class Matches(NamedTuple):
    """The matches of the detections of one image, by falling score.

    Attributes:
        order: int `(D,)`, places of the detections as they were given.
        object: int `(D,)`, the object that each finds; -1 for none.
        ignored: bool `(D,)`, whether it finds nothing but lies in a crowd of its class.
    """

    order: np.ndarray
    object: np.ndarray
    ignored: np.ndarray


def overlaps(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union of every pair; with a crowd, over the area of the box only.

    Args:
        boxes: float `(D, 4)`, `(x1, y1, x2, y2)`.
        others: float `(M, 4)`.
        crowd: bool `(M,)`, which of the others are crowds; None for none.

    Returns:
        float64 `(D, M)` in [0, 1].
    """
    a, b = (torch.from_numpy(np.asarray(one, np.float64)) for one in (boxes, others))
    shared = box_iou(a, b)
    if crowd is not None:
        shared = torch.where(torch.from_numpy(np.asarray(crowd, bool)), box_iof(a, b), shared)
    return shared.numpy()


def match_detections(
    boxes: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    true_boxes: np.ndarray,
    true_labels: np.ndarray,
    crowd: np.ndarray,
    min_iou: float = MIN_IOU,
    maximum: int = 100,
) -> Matches:
    """Match detections with objects of their class, by falling score.

    Each takes the free object that it overlaps most; one that finds none but has `min_iou` of
    its area in a crowd of its class is ignored.

    Args:
        boxes: float `(D, 4)`, `(x1, y1, x2, y2)` of the detections.
        labels: int `(D,)`, class index.
        scores: float `(D,)`.
        true_boxes: float `(M, 4)` of the objects, in the same pixels.
        true_labels: int `(M,)`, class index.
        crowd: bool `(M,)`, which objects are crowds.
        min_iou: Overlap from which an object is found.
        maximum: Number of detections of a class that count, by falling score.
    """
    order = _first_of_each_class(labels, scores, maximum)
    shared = overlaps(boxes[order], true_boxes, crowd)
    shared = np.where(labels[order][:, None] == true_labels[None], shared, 0.0)
    free = ~np.asarray(crowd, bool)
    found = np.full(len(order), -1)
    ignored = np.zeros(len(order), bool)
    # COCO compares with a little less than the overlap, against rounding.
    minimum = min(min_iou, 1 - 1e-10)
    for i, row in enumerate(shared):
        open_row = np.where(free, row, 0.0)
        # Of equal overlaps the last object, as in COCO.
        best = len(row) - 1 - int(open_row[::-1].argmax()) if len(row) else -1
        if best >= 0 and open_row[best] >= minimum:
            found[i], free[best] = best, False
        else:
            ignored[i] = bool((row[crowd] >= minimum).any())
    return Matches(order, found, ignored)


def _first_of_each_class(labels: np.ndarray, scores: np.ndarray, maximum: int) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    kept = np.zeros(len(order), bool)
    for label in np.unique(labels):
        kept[np.flatnonzero(labels[order] == label)[:maximum]] = True
    return order[kept]


def covered_share(boxes: np.ndarray) -> np.ndarray:
    """Share of each box that the others cover.

    Args:
        boxes: float `(M, 4)`, `(x1, y1, x2, y2)`.

    Returns:
        float64 `(M,)` in [0, 1]; 0 for a box without area.
    """
    boxes = np.asarray(boxes, np.float64)
    shares = np.zeros(len(boxes))
    for i, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        others = np.delete(boxes, i, axis=0)
        others = np.stack(
            [*others[:, :2].T.clip([[x1], [y1]]), *others[:, 2:].T.clip(max=[[x2], [y2]])], axis=1
        )
        others = others[(others[:, 2] > others[:, 0]) & (others[:, 3] > others[:, 1])]
        if len(others):
            shares[i] = _union(others) / ((x2 - x1) * (y2 - y1))
    return shares


def _union(boxes: np.ndarray) -> float:
    """Area of the union of boxes, on the grid of their own edges."""
    xs, ys = np.unique(boxes[:, [0, 2]]), np.unique(boxes[:, [1, 3]])
    x, y = (xs[:-1] + xs[1:]) / 2, (ys[:-1] + ys[1:]) / 2
    inside_x = (x > boxes[:, :1]) & (x < boxes[:, 2:3])  # (M, columns)
    inside_y = (y > boxes[:, 1:2]) & (y < boxes[:, 3:])
    covered = (inside_y[:, :, None] & inside_x[:, None, :]).any(axis=0)
    return float((covered * np.diff(ys)[:, None] * np.diff(xs)[None]).sum())
