"""Masks of queries compared with those of objects at points alone.

"Mask DINO: Towards A Unified Transformer-based Framework for Object Detection and Segmentation",
Li et al., 2022, https://arxiv.org/abs/2206.02777, with the points of "Masked-attention Mask
Transformer for Universal Image Segmentation", Cheng et al., 2022, https://arxiv.org/abs/2112.01527.

Letters: B images, Q queries, M places for objects, C channels of masks, P points, T pairs.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import at_least_float32
from vision.ops.mask_points import PointOptions, sample_maps, sample_masks, uncertain_points


def mask_costs(
    mask_codes: Tensor, point_features: Tensor, point_targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Costs of each query for each object: cross entropy and overlap (Dice) at the same points.

    Args:
        mask_codes: float `(B, Q, C)`.
        point_features: float `(B, C, P)` features of masks at points of each image.
        point_targets: float `(B, M, P)` masks of the objects there, in [0, 1].

    Returns:
        Two of `(B, Q, M)`.
    """
    logits = at_least_float32(mask_codes) @ point_features  # (B, Q, P)
    target = point_targets.transpose(1, 2).to(logits.dtype)  # (B, P, M)
    # The cross entropy is softplus(x) - x * t.
    absent = F.softplus(logits).sum(dim=2, keepdim=True)
    entropy = (absent - logits @ target) / logits.shape[2]
    probability = logits.sigmoid()
    common = 2 * (probability @ target)
    whole = probability.sum(dim=2, keepdim=True) + target.sum(dim=1)[:, None]
    return entropy, 1 - (common + 1) / (whole + 1)


def whole_masks(mask_codes: Tensor, mask_features: Tensor, counts: Sequence[int]) -> Tensor:
    """Logits of the masks of matched queries, on the whole map.

    A map of stride 4 has about as many cells as there are points to choose from, and the dot
    products of few queries there cost less than features of every channel between the cells.

    Args:
        mask_codes: float `(T, C)` of the matched queries, image by image.
        mask_features: float `(B, C, h, w)`.
        counts: Number of matched queries of each image.

    Returns:
        `(T, h, w)` in float32 at least.
    """
    features = at_least_float32(mask_features).flatten(2)
    parts = at_least_float32(mask_codes).split(list(counts))
    masks = [codes @ features[image] for image, codes in enumerate(parts)]  # (T of it, h * w)
    return torch.cat(masks).unflatten(1, tuple(mask_features.shape[2:]))


def mask_losses(
    logits: Tensor, masks: Tensor, index: Tensor, extents: Tensor, options: PointOptions
) -> tuple[Tensor, Tensor]:
    """Sums of `point_losses` over matched queries, at points that are drawn.

    Args:
        logits: float `(T, h, w)` on a map that spans the padded image.
        masks: bool `(M, H, W)` of the objects of all images.
        index: int64 `(T,)`, the object of each query.
        extents: float `(T, 2)` shares of width and height of the padded image that are valid; all
            points lie there.
        options: How many points, and which.

    Returns:
        Two of `()`.
    """

    def logits_at(points: Tensor) -> Tensor:
        return sample_maps(logits[:, None], points)[:, 0]

    points = uncertain_points(logits_at, extents, options)
    target = sample_masks(masks, index, points)
    entropy, dice = point_losses(logits_at(points), target)
    return entropy.sum(), dice.sum()


def point_losses(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cross entropy, and one minus the overlap (Dice), of each mask.

    Args:
        logits: float `(T, P)`.
        target: float `(T, P)` in [0, 1].

    Returns:
        Two of `(T,)`.
    """
    entropy = F.binary_cross_entropy_with_logits(
        logits, target.to(logits.dtype), reduction="none"
    ).mean(dim=1)
    probability = logits.sigmoid()
    common = 2 * (probability * target).sum(dim=1)
    whole = probability.sum(dim=1) + target.sum(dim=1)
    return entropy, 1 - (common + 1) / (whole + 1)
