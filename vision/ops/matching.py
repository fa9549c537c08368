"""Matching boxes with objects, and sampling the matches.

A counts anchors or proposals, M places for objects.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import box_iof, box_iou
from vision.ops.targets import PaddedTargets

BACKGROUND = -1
IGNORED = -2
MAX_PAIRS = 2**25  # overlaps held at a time: 128 MiB each of the few tensors that takes


@dataclass(frozen=True)
class Sampled:
    """A sample of the boxes of B images, S places for each, positives first.

    Attributes:
        index: int64 `(B, S)` index of the box; any in places that are not valid.
        positive: bool `(B, S)`, whether the box is matched with an object.
        valid: bool `(B, S)`, whether the place is filled.
    """

    index: Tensor
    positive: Tensor
    valid: Tensor


@torch.no_grad()
def match_boxes(
    boxes: Tensor,
    targets: PaddedTargets,
    *,
    fg_iou_threshold: float,
    bg_iou_threshold: float,
    low_quality_threshold: float,
    allow_low_quality: bool,
    crowd_iof: float | None,
    valid: Tensor | None = None,
) -> Tensor:
    """Give each box an object, the background, or nothing.

    "Faster R-CNN", Ren et al., 2015, section 3.1.2. A box takes the object that it overlaps most
    if that overlap is `fg_iou_threshold` or more, and the background if it is below
    `bg_iou_threshold`. With `allow_low_quality` each object then takes all boxes that overlap it
    most, if by `low_quality_threshold` or more, even from another object; of several
    such objects, the last in its image wins.

    Args:
        boxes: `(A, 4)` for all images, or `(B, A, 4)`.
        targets: The objects.
        fg_iou_threshold: Minimum intersection over union of a match.
        bg_iou_threshold: Below it a box is background.
        low_quality_threshold: Minimum intersection over union of a low-quality match.
        allow_low_quality: Whether objects take their best boxes.
        crowd_iof: Background boxes are ignored if at least this share of them lies in a crowd;
            None treats crowds as background.
        valid: bool `(B, A)`, the boxes that take part; None for all. Others are ignored.

    Returns:
        int64 `(B, A)`: place of the object among the targets of the image, `BACKGROUND` or
        `IGNORED`.
    """
    batch, places = targets.valid.shape
    boxes = boxes.expand(batch, -1, -1) if boxes.dim() == 2 else boxes
    if valid is None:
        valid = boxes.new_ones(boxes.shape[:2], dtype=torch.bool)
    step = max(1, MAX_PAIRS // (places * max(1, boxes.shape[1])))
    matches = []
    for start in range(0, batch, step):
        part = slice(start, start + step)
        some = PaddedTargets(*(values[part] for values in targets))
        iou = box_iou(boxes[part], some.boxes)  # (B, A, M)
        iou = iou.masked_fill(~(some.valid[:, None] & valid[part, :, None]), -1)
        found = _match(iou, fg_iou_threshold, bg_iou_threshold)
        if allow_low_quality:
            found = _add_low_quality(found, iou, low_quality_threshold)
        if crowd_iof is not None:
            share = box_iof(boxes[part], some.boxes).masked_fill(~some.crowd[:, None], -1)
            hidden = (share.amax(dim=2) >= crowd_iof) & (found == BACKGROUND)
            found = found.masked_fill(hidden, IGNORED)
        matches.append(found.masked_fill(~valid[part], IGNORED))
    return torch.cat(matches)


def _match(iou: Tensor, fg_iou_threshold: float, bg_iou_threshold: float) -> Tensor:
    best, match = iou.max(dim=2)  # (B, A)
    match = match.masked_fill(best < fg_iou_threshold, IGNORED)
    # An image without objects has -1 for its best overlap: all is background.
    return match.masked_fill(best < min(fg_iou_threshold, bg_iou_threshold), BACKGROUND)


def _add_low_quality(matches: Tensor, iou: Tensor, minimum: float) -> Tensor:
    best = iou.amax(dim=1, keepdim=True)  # (B, 1, M)
    # An object that no box overlaps would otherwise take every box if `minimum` is 0.
    taken = (iou == best) & (best >= minimum) & (best > 0)
    place = torch.arange(iou.shape[2], device=iou.device, dtype=torch.int32)
    last = torch.where(taken, place, BACKGROUND).amax(dim=2).long()  # (B, A)
    return torch.where(last >= 0, last, matches)


@torch.no_grad()
def sample_balanced(
    matches: Tensor, *, batch_size_per_image: int, positive_fraction: float
) -> Sampled:
    """Sample boxes at random, some of them positive.

    "Fast R-CNN", Girshick, 2015, section 2.3. At most a share of the sample is positive; where
    there are fewer positives, background fills it up. The random numbers come from PyTorch's
    global generator of the device, and nothing waits for the device.

    Args:
        matches: int64 `(B, A)` of `match_boxes`.
        batch_size_per_image: Size S of the sample of each image.
        positive_fraction: Largest share of positives, in [0, 1].

    Returns:
        S places for each image, positives first, then background, then those not filled.
    """
    anchors = matches.shape[1]
    numbers = torch.rand(matches.shape, device=matches.device)
    positive = matches >= 0
    maximum = min(int(batch_size_per_image * positive_fraction), anchors)
    chosen = torch.where(positive, numbers, -1.0).topk(maximum, dim=1).indices  # (B, maximum)
    sampled = torch.zeros_like(positive).scatter(1, chosen, True) & positive
    # In three bands: sampled positives, background, the rest.
    order = torch.where(sampled, numbers + 2, torch.where(matches == BACKGROUND, numbers, -1.0))
    value, index = order.topk(min(batch_size_per_image, anchors), dim=1)
    missing = (0, batch_size_per_image - value.shape[1])
    value, index = F.pad(value, missing, value=-1.0), F.pad(index, missing)
    return Sampled(index, value >= 2, value >= 0)
