"""The objects of a batch in tensors of one shape."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vision.contracts.detection import DetectionTarget
from vision.ops.boxes import at_least_float32


class PaddedTargets(NamedTuple):
    """The objects of B images, M places for each, M >= 1.

    Attributes:
        boxes: float32 `(B, M, 4)`; zeros in empty places.
        labels: int64 `(B, M)` class index; 0 in empty places.
        valid: bool `(B, M)`, whether a place holds an object that is not a crowd.
        crowd: bool `(B, M)`, whether a place holds a crowd.
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor
    crowd: Tensor


def pad_targets(targets: Sequence[DetectionTarget]) -> PaddedTargets:
    """Stack the objects of all images; place j of an image holds its object j.

    Args:
        targets: The objects of each image, on one device.

    Returns:
        As many places for each image as the fullest one has objects, at least one.
    """
    boxes = _pad([at_least_float32(target["boxes"]) for target in targets])
    labels = _pad([target["labels"] for target in targets])
    crowd = _pad([target["iscrowd"] for target in targets])
    # What pads is False, so that only real places are left.
    valid = _pad([~target["iscrowd"] for target in targets])
    return PaddedTargets(boxes, labels, valid, crowd)


def _pad(rows: list[Tensor]) -> Tensor:
    padded = pad_sequence(rows, batch_first=True)  # (B, M, ...)
    if padded.shape[1] == 0:
        return torch.zeros(
            padded.shape[0], 1, *padded.shape[2:], dtype=padded.dtype, device=padded.device
        )
    return padded
