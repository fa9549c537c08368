"""Padding of targets."""

import torch

from vision.contracts.detection import DetectionTarget
from vision.ops.targets import pad_targets


def target(boxes: list[list[float]], labels: list[int], crowd: list[bool]) -> DetectionTarget:
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.long),
        "iscrowd": torch.tensor(crowd, dtype=torch.bool),
        "area": torch.zeros(len(labels)),
        "image_id": torch.tensor(0),
    }


def test_objects_keep_their_place_and_crowds_are_told_apart() -> None:
    first = target([[0, 0, 1, 1], [1, 2, 3, 4]], [5, 6], [True, False])
    padded = pad_targets([first, target([], [], []), target([[2, 2, 9, 9]], [7], [False])])
    assert padded.boxes.shape == (3, 2, 4)
    assert padded.boxes.dtype == torch.float32
    assert torch.equal(padded.boxes[0], first["boxes"])
    assert padded.labels.tolist() == [[5, 6], [0, 0], [7, 0]]
    assert padded.valid.tolist() == [[False, True], [False, False], [True, False]]
    assert padded.crowd.tolist() == [[True, False], [False, False], [False, False]]


def test_a_batch_without_objects_has_one_empty_place() -> None:
    padded = pad_targets([target([], [], []), target([], [], [])])
    assert padded.boxes.shape == (2, 1, 4)
    assert padded.labels.dtype == torch.int64
    assert not padded.valid.any()
    assert not padded.crowd.any()
