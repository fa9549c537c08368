"""Confusion matrix of a detector's boxes, with a background class."""

import numpy as np

from vision.metrics.box_matching import MIN_IOU, overlaps


def box_confusion(
    boxes: np.ndarray,
    labels: np.ndarray,
    *,
    true_boxes: np.ndarray,
    true_labels: np.ndarray,
    crowd: np.ndarray,
    num_classes: int,
    min_iou: float = MIN_IOU,
) -> np.ndarray:
    """Pair the detections of one image with its objects, regardless of class, and count.

    Pairs are made by falling overlap, first within a class, then across classes. Unpaired
    detections count as background, unpaired objects as missed. An unpaired detection with `min_iou`
    of its area in a crowd is not counted; crowds are not counted either.

    Args:
        boxes: float `(D, 4)`, `(x1, y1, x2, y2)` of the detections that are sure enough.
        labels: int `(D,)`, class index.
        true_boxes: float `(M, 4)` of the objects, in the same pixels.
        true_labels: int `(M,)`, class index.
        crowd: bool `(M,)`, which objects are crowds.
        num_classes: K.
        min_iou: Overlap from which two boxes are a pair.

    Returns:
        int64 `(K + 1, K + 1)`: objects of class `row` that were found as class `column`; the last
        row counts detections without an object, the last column missed objects.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    crowd = np.asarray(crowd, bool)
    shared = overlaps(boxes, true_boxes, crowd)  # (D, M)
    possible = (shared >= min_iou) & ~crowd[None]
    same = labels[:, None] == true_labels[None]
    free_found, free_true = np.ones(len(boxes), bool), ~crowd
    for allowed in (possible & same, possible & ~same):
        for place in np.argsort(-shared, axis=None, kind="stable"):
            d, m = np.unravel_index(place, shared.shape)
            if allowed[d, m] and free_found[d] and free_true[m]:
                counts[true_labels[m], labels[d]] += 1
                free_found[d] = free_true[m] = False
            if shared[d, m] < min_iou:
                break
    in_crowd = (shared[:, crowd] >= min_iou).any(axis=1)
    np.add.at(counts[num_classes], labels[free_found & ~in_crowd], 1)
    np.add.at(counts[:, num_classes], true_labels[free_true], 1)
    return counts
