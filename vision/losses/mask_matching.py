"""Which query stands for which segment, in kMaX-DeepLab.

Shapes: B images, M places for segments, N queries, K classes, maps of h x w pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.mask_predictions import MaskPredictions
from vision.ops.mask_targets import MaskTargets

# Smallest weight, so that no prediction is without any.
MIN_WEIGHT = 1e-5


@dataclass(frozen=True)
class Segments:
    """The segments of B images, with one empty place after the last.

    Attributes:
        labels: int64 `(B, M + 1)`, -1 in empty places.
        masks: float `(B, M + 1, h, w)` share of each pixel that belongs to each segment; segments
            that overlap share equally.
        void: bool `(B, h, w)`, the pixels of no segment.
        inverse_area: float `(B, h, w)`, pixels of the map per pixel of the segment there; h * w
            where there is none.
    """

    labels: Tensor
    masks: Tensor
    void: Tensor
    inverse_area: Tensor


@dataclass(frozen=True)
class Assignment:
    """What each query is supervised with.

    Attributes:
        place: int64 `(B, N)` place of its segment, the empty last place where there is none.
        labels: int64 `(B, N)` class of its segment, K where there is none.
        class_weight: float `(B, N)`: overlap with its segment; without one, the share of its mask
            that lies on void, where it could be a segment that nobody has labelled.
        mask_weight: float `(B, N)`: probability of the class of its segment; 0 without one.
    """

    place: Tensor
    labels: Tensor
    class_weight: Tensor
    mask_weight: Tensor


def read_segments(targets: MaskTargets, dtype: torch.dtype) -> Segments:
    """Prepare targets: overlaps, void, areas.

    Args:
        targets: The targets.
        dtype: Floating-point type of the result.
    """
    masks = F.pad(targets["masks"], (0, 0, 0, 0, 0, 1)).to(dtype)
    owners = masks.sum(dim=1)  # (B, h, w)
    masks = masks / owners.clamp(min=1)[:, None]
    area = (masks * masks.sum(dim=(2, 3), keepdim=True)).sum(dim=1)  # (B, h, w)
    return Segments(
        labels=F.pad(targets["labels"], (0, 1), value=-1),
        masks=masks,
        void=owners == 0,
        inverse_area=owners[0].numel() / area.clamp(min=1),
    )


@torch.no_grad()
def assign_queries(predictions: MaskPredictions, segments: Segments) -> Assignment:
    """Match queries with segments one to one, by the largest sum of similarities.

    The similarity is that of "MaX-DeepLab", Wang et al., 2020, https://arxiv.org/abs/2012.00759:
    the overlap (Dice) of the masks times the probability of the class, after the panoptic quality.

    Args:
        predictions: Of one decoder layer, at the resolution of the segments.
        segments: The segments.
    """
    probabilities = predictions["mask_logits"].softmax(dim=1)  # (B, N, h, w)
    classes = predictions["class_logits"].softmax(dim=2)  # (B, N, K + 1)
    shown = probabilities.masked_fill(segments.void[:, None], 0)
    common = torch.einsum("bnhw,bmhw->bnm", shown, segments.masks)
    kept = shown.sum(dim=(2, 3))  # (B, N)
    sizes = kept[:, :, None] + segments.masks.sum(dim=(2, 3))[:, None]
    overlap = common / (sizes / 2 + 1e-5)  # (B, N, M + 1)
    columns = segments.labels.clamp(min=0)[:, None].expand(-1, classes.shape[1], -1)
    likelihood = classes.gather(2, columns)  # (B, N, M + 1)
    place = _match(overlap * likelihood, segments.labels)
    found = segments.labels.gather(1, place)  # (B, N)
    matched = found >= 0
    of_place = place[:, :, None]
    on_void = 1 - kept / probabilities.sum(dim=(2, 3)).clamp(min=1e-12)
    return Assignment(
        place=place,
        labels=torch.where(matched, found, classes.shape[2] - 1),
        class_weight=torch.where(
            matched, overlap.gather(2, of_place)[..., 0], on_void.clamp(min=MIN_WEIGHT)
        ),
        mask_weight=likelihood.gather(2, of_place)[..., 0].clamp(min=MIN_WEIGHT) * matched,
    )


def _match(similarity: Tensor, labels: Tensor) -> Tensor:
    """The place of each query's segment `(B, N)`, from similarities `(B, N, M + 1)`."""
    from scipy.optimize import linear_sum_assignment

    # In one copy, which waits for the device once: the last row of an image says what is filled.
    filled = (labels >= 0).to(similarity.dtype)[:, None]
    packed = torch.cat([similarity, filled], dim=1).cpu().numpy()  # (B, N + 1, M + 1)
    empty = labels.shape[1] - 1
    place = torch.full(similarity.shape[:2], empty, dtype=torch.int64)
    for row, image in zip(place, packed, strict=True):
        columns = image[-1].nonzero()[0]
        queries, chosen = linear_sum_assignment(image[:-1, columns], maximize=True)
        row[torch.from_numpy(queries)] = torch.from_numpy(columns[chosen])
    return place.to(similarity.device, non_blocking=True)
