"""What heads that find boxes in space in one image learn.

Letters: B images, M objects of an image or places for them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vision.contracts.detection3d import MonocularTarget
from vision.ops.boxes import at_least_float32


class PaddedObjects(NamedTuple):
    """The objects of B images, M places for each, M >= 1.

    Attributes:
        labels: int64 `(B, M)`, 0 in empty places; zeros are in those of the others too.
        boxes: float32 or float64 `(B, M, 6)`, as in `MonocularTarget`, and so are the others.
        boxes2d: `(B, M, 4)`.
        sizes: `(B, M, 3)`.
        depth: `(B, M)`.
        alpha: `(B, M)`.
        counts: Number of objects of each image.
    """

    labels: Tensor
    boxes: Tensor
    boxes2d: Tensor
    sizes: Tensor
    depth: Tensor
    alpha: Tensor
    counts: list[int]

    @property
    def valid(self) -> Tensor:
        """Which places `(B, M)` are filled, as bool."""
        counts = torch.tensor(self.counts)[:, None]
        valid = torch.arange(self.labels.shape[1]) < counts
        return valid.to(self.labels.device, non_blocking=True)


def pad_objects(targets: Sequence[MonocularTarget]) -> PaddedObjects:
    """Stack the objects of all images; place j of an image holds its object j.

    Args:
        targets: The objects of each image, on one device.
    """
    return PaddedObjects(
        labels=_pad([target["labels"].long() for target in targets]),
        boxes=_pad([at_least_float32(target["boxes"]) for target in targets]),
        boxes2d=_pad([at_least_float32(target["boxes2d"]) for target in targets]),
        sizes=_pad([at_least_float32(target["sizes"]) for target in targets]),
        depth=_pad([at_least_float32(target["depth_m"]) for target in targets]),
        alpha=_pad([at_least_float32(target["alpha"]) for target in targets]),
        counts=[len(target["labels"]) for target in targets],
    )


def _pad(rows: list[Tensor]) -> Tensor:
    padded = pad_sequence(rows, batch_first=True)  # (B, M, ...)
    if padded.shape[1]:
        return padded
    return padded.new_zeros(padded.shape[0], 1, *padded.shape[2:])
