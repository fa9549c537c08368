"""Detections as the objects of KITTI's text, and back."""

import torch
from helpers.boxes3d_evaluation import moved, street
from helpers.tiny_detection3d import NAMES

from vision.metrics.kitti.objects import found_boxes, found_objects


def test_boxes_come_back_with_the_labels_of_other_names() -> None:
    found = moved(street(0), 0.1, 0)
    kept = found_boxes(found_objects(found, NAMES, decimals=4), ["other", "car"])
    torch.testing.assert_close(kept.boxes3d, found["boxes3d"][:2].double(), atol=1e-3, rtol=0)
    assert kept.labels.tolist() == [1, 1]
    torch.testing.assert_close(kept.scores, found["scores"][:2].double(), atol=1e-4, rtol=0)
