"""The criterion of kMaX-DeepLab.

Shapes: B images, N queries, K classes, C channels of pixel features, S sampled pixels, maps of
h x w pixels. Averages are over what is not zero, first within an image, then over the images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.losses.mask_matching import Assignment, Segments, assign_queries, read_segments
from vision.ops.boxes import at_least_float32
from vision.ops.mask_predictions import (
    MaskPredictions,
    MaskTransformerOutputs,
    resize_predictions,
)
from vision.ops.mask_targets import MaskTargets, stride_to
from vision.options import MAX_COUNT, Range, check_ranges

Noise = Mapping[str, Tensor]
# Weight of the cross entropy of real classes, and of "no object".
POSITIVE, NEGATIVE = 0.75, 0.25
# Of the softmax over the similarities of pixel features.
FEATURE_TEMPERATURE = 0.3
# Added to the score of void pixels: they are sampled after all others.
LAST = -99999.0


@dataclass(frozen=True)
class KMaXLossOptions:
    """Options of the criterion; the defaults are those of COCO and ADE20K.

    Attributes:
        class_weight: Weight of the classes of queries.
        mask_weight: Weight of the cross entropy over queries at each pixel.
        dice_weight: Weight of the overlap of masks.
        instance_weight: Weight of the instance discrimination.
        semantic_weight: Weight of the semantic branch.
        share_final_matching: Whether the matching of the final predictions serves all layers.
        instance_samples: Number of pixels that are compared with each other; 0 for all.
        instance_temperature: Preference for pixels of small segments; 0.6 on Cityscapes.
        semantic_samples: Number of pixels of the semantic loss; 0 for all, as on Cityscapes.
        semantic_temperature: Preference for pixels of small segments there.

    Raises:
        ConfigError: A value is out of its range.
    """

    class_weight: float = 3.0
    mask_weight: float = 0.3
    dice_weight: float = 3.0
    instance_weight: float = 1.0
    semantic_weight: float = 1.0
    share_final_matching: bool = True
    instance_samples: int = 4096
    instance_temperature: float = 1.5
    semantic_samples: int = 4096
    semantic_temperature: float = 2.0

    def __post_init__(self) -> None:
        weights = [name for name in vars(self) if name.endswith(("_weight", "_temperature"))]
        check_ranges(vars(self), dict.fromkeys(weights, Range(minimum=0)))
        counts = ("instance_samples", "semantic_samples")
        check_ranges(vars(self), dict.fromkeys(counts, Range(minimum=0, maximum=MAX_COUNT)))


class KMaXLoss(nn.Module):
    """Classes and masks of every decoder layer, and the semantic branch.

    "k-means Mask Transformer", Yu et al., 2022, https://arxiv.org/abs/2207.04044, with the losses
    of "MaX-DeepLab", Wang et al., 2020, https://arxiv.org/abs/2012.00759, as in the authors'
    PyTorch code (https://github.com/bytedance/kmax-deeplab, Apache-2.0). All of it is in float32
    at least.

    Args:
        options: Weights, sampling, matching.
    """

    def __init__(self, options: KMaXLossOptions | None = None) -> None:
        super().__init__()
        self.options = options or KMaXLossOptions()

    def forward(
        self, outputs: MaskTransformerOutputs, targets: MaskTargets, noise: Noise | None = None
    ) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            outputs: Of the head in training.
            targets: At the resolution of the final predictions.
            noise: float `(B, h * w)` in [0, 1) that decides which pixels are sampled, by the name
                of the term (`instance`, `instance_0`, `semantic`); what is absent is drawn.

        Returns:
            `class`, `mask`, `dice` and `instance` `()` of the final predictions, `class_0` and so
            on of each decoder layer, and `semantic`, if there are such logits.
        """
        noise = noise or {}
        with torch.autocast(outputs["mask_logits"].device.type, enabled=False):
            final = _float32(outputs)
            segments = read_segments(targets, final["mask_logits"].dtype)
            assignment = assign_queries(final, segments)
            terms = self._terms(final, segments, assignment, noise, "")
            size = segments.void.shape[-2:]
            for i, layer in enumerate(outputs["layers"]):
                layer = resize_predictions(_float32(layer), (size[0], size[1]))
                if not self.options.share_final_matching:
                    assignment = assign_queries(layer, segments)
                terms |= self._terms(layer, segments, assignment, noise, f"_{i}")
            if "semantic_logits" in outputs:
                terms["semantic"] = self._semantic(
                    outputs["semantic_logits"], targets, segments, noise
                )
        return terms

    def _terms(
        self,
        predictions: MaskPredictions,
        segments: Segments,
        assignment: Assignment,
        noise: Noise,
        suffix: str,
    ) -> dict[str, Tensor]:
        options, masks = self.options, predictions["mask_logits"]
        # Of each query, (B, N, h, w).
        target = torch.stack(
            [x[place] for x, place in zip(segments.masks, assignment.place, strict=True)]
        )
        index = sample_pixels(
            segments.inverse_area,
            segments.void,
            options.instance_samples,
            options.instance_temperature,
            noise.get("instance" + suffix),
        )
        instance = instance_loss(predictions["pixel_features"], segments.masks, index)
        weighted = {
            "class": options.class_weight * class_loss(predictions["class_logits"], assignment),
            "mask": options.mask_weight * mask_loss(masks, target, segments.void),
            "dice": options.dice_weight
            * dice_loss(masks, target, segments.void, assignment.mask_weight),
            "instance": options.instance_weight * instance,
        }
        return {name + suffix: term for name, term in weighted.items()}

    def _semantic(
        self, logits: Tensor, targets: MaskTargets, segments: Segments, noise: Noise
    ) -> Tensor:
        size = (logits.shape[-2], logits.shape[-1])
        labels = stride_to(targets["semantic"], size)
        index = None
        if self.options.semantic_samples:
            index = sample_pixels(
                stride_to(segments.inverse_area, size),
                labels == IGNORED,
                self.options.semantic_samples,
                self.options.semantic_temperature,
                noise.get("semantic"),
            )
        loss = semantic_loss(at_least_float32(logits), labels, index)
        return self.options.semantic_weight * loss


def class_loss(logits: Tensor, assignment: Assignment) -> Tensor:
    """Cross entropy of the classes of queries, each by its weight.

    Args:
        logits: float `(B, N, K + 1)`.
        assignment: Classes and weights.
    """
    entropy = F.cross_entropy(logits.transpose(1, 2), assignment.labels, reduction="none")
    balance = torch.where(assignment.labels < logits.shape[2] - 1, POSITIVE, NEGATIVE)
    return mean_of_nonzero(entropy * balance * assignment.class_weight)


def mask_loss(logits: Tensor, target: Tensor, void: Tensor) -> Tensor:
    """Cross entropy over queries at each pixel that is not void.

    Args:
        logits: float `(B, N, h, w)`.
        target: float `(B, N, h, w)` share of the pixel that belongs to the query.
        void: bool `(B, h, w)`.
    """
    entropy = -(target * logits.log_softmax(dim=1)).sum(dim=1)  # (B, h, w)
    return mean_of_nonzero(entropy.masked_fill(void, 0))


def dice_loss(logits: Tensor, target: Tensor, void: Tensor, weight: Tensor) -> Tensor:
    """One minus the overlap of the mask of each query with its segment, by its weight.

    Args:
        logits: float `(B, N, h, w)`.
        target: float `(B, N, h, w)` share of the pixel that belongs to the query.
        void: bool `(B, h, w)`.
        weight: float `(B, N)`.
    """
    mask = logits.softmax(dim=1).masked_fill(void[:, None], 0)
    common = (mask * target).sum(dim=(2, 3))
    loss = 1 - (2 * common + 1) / (mask.sum(dim=(2, 3)) + target.sum(dim=(2, 3)) + 1)  # (B, N)
    return (loss * weight).sum(dim=1).mean() * POSITIVE / logits.shape[1]


def instance_loss(features: Tensor, masks: Tensor, index: Tensor) -> Tensor:
    """Contrast of pixel features: similar within a segment, dissimilar otherwise.

    Args:
        features: float `(B, C, h, w)`, of unit length.
        masks: float `(B, M, h, w)` share of the pixel that belongs to each segment.
        index: int64 `(B, S)`, the pixels that are compared.
    """
    features, masks = _pick(features, index), _pick(masks, index)  # (B, C or M, S)
    similarity = torch.einsum("bcs,bct->bst", features, features) / FEATURE_TEMPERATURE
    same = torch.einsum("bms,bmt->bst", masks, masks)
    target = same / same.sum(dim=1, keepdim=True).clamp(min=1e-5)
    return mean_of_nonzero(-(target * similarity.log_softmax(dim=1)).sum(dim=1))


def semantic_loss(logits: Tensor, labels: Tensor, index: Tensor | None) -> Tensor:
    """Cross entropy of the classes of pixels.

    Args:
        logits: float `(B, K', h, w)`.
        labels: int64 `(B, h, w)`, `IGNORED` where there is none.
        index: int64 `(B, S)`, the pixels that count; None for all.
    """
    entropy = F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")
    return mean_of_nonzero(entropy if index is None else entropy.flatten(1).gather(1, index))


@torch.no_grad()
def sample_pixels(
    inverse_area: Tensor, void: Tensor, count: int, temperature: float, noise: Tensor | None
) -> Tensor:
    """Draw pixels without replacement, those of small segments with preference, void ones last.

    Args:
        inverse_area: float `(B, h, w)`, above 0.
        void: bool `(B, h, w)`.
        count: Number of pixels; 0 for all.
        temperature: A pixel's chance is `inverse_area ** temperature`, relative to the others'.
        noise: float `(B, h * w)` in [0, 1); drawn on the device if None.

    Returns:
        int64 `(B, S)`.
    """
    chance = temperature * inverse_area.flatten(1).log()  # (B, h * w)
    noise = torch.rand_like(chance) if noise is None else noise
    tiny = torch.finfo(chance.dtype).tiny
    # The largest of Gumbel-distributed scores: Kool et al., 2019, arXiv 1903.06059.
    gumbel = -(-noise.clamp(min=tiny).log()).clamp(min=tiny).log()
    scores = chance + gumbel + LAST * void.flatten(1)
    return scores.topk(min(count or scores.shape[1], scores.shape[1]), dim=1).indices


def mean_of_nonzero(values: Tensor) -> Tensor:
    """Mean over the images of the mean of what is not zero in each `(B, ...)`; 0 if all is."""
    values = values.flatten(1)
    return (values.sum(dim=1) / (values != 0).sum(dim=1).clamp(min=1)).mean()


def _pick(maps: Tensor, index: Tensor) -> Tensor:
    """The pixels of maps `(B, C, h, w)` at `index` `(B, S)`; `(B, C, S)`."""
    return maps.flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1))


def _float32(predictions: MaskPredictions) -> MaskPredictions:
    return {
        "class_logits": at_least_float32(predictions["class_logits"]),
        "mask_logits": at_least_float32(predictions["mask_logits"]),
        "pixel_features": at_least_float32(predictions["pixel_features"]),
    }
