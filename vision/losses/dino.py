"""The criterion of DINO and Mask DINO.

Letters: B images, Q queries, N noised queries, M places for objects, K classes, T pairs.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vision.contracts.detection import DetectionBatch, DetectionTarget
from vision.losses.focal import sigmoid_focal_loss
from vision.losses.point_masks import mask_losses, whole_masks
from vision.losses.query_matching import (
    PointFeatures,
    QueryCosts,
    QueryObjects,
    draw_point_features,
    match_layers,
    read_objects,
)
from vision.losses.set_matching import Pairs
from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.mask_points import PointOptions
from vision.ops.matching import BACKGROUND, IGNORED
from vision.ops.query_predictions import QueryOutputs, QueryPredictions
from vision.ops.reduce import mean_over_processes
from vision.ops.share_boxes import shares_to_corners
from vision.options import PROBABILITY, Range, check_ranges, read_options

logger = logging.getLogger(__name__)


class DINOLoss(nn.Module):
    """Matches queries with objects in each decoder layer, and compares them.

    "DINO: DETR with Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al.,
    2022, https://arxiv.org/abs/2203.03605, as in the authors' code
    (https://github.com/IDEA-Research/DINO), and for masks "Mask DINO", Li et al., 2022,
    https://arxiv.org/abs/2206.02777. The queries that the encoder selects are compared like a
    decoder layer; noised queries with the objects they were made of. All terms are sums over the
    number of objects (for noised queries, times the number of groups), in float32 at least. In
    distributed training that number is a mean over the processes. Objects beyond the number of
    queries stay without one. Crowds are no objects, as in the authors' code. Points of masks lie in
    the valid images, there in the padded ones.

    Args:
        class_weight: Weight of the focal loss of classes; 4 in Mask DINO.
        box_weight: Weight of the differences of centre, width and height.
        giou_weight: Weight of the overlap of boxes.
        mask_weight: Weight of the cross entropy of masks.
        dice_weight: Weight of the overlap of masks.
        alpha: Weight of the class of a matched query in the focal loss, in [0, 1].
        gamma: Exponent of the focal loss.
        crowd_iof: Queries without an object do not count if at least this share of their box lies
            in a crowd; null treats crowds as background, as in the published recipes.
        matching: Weights of the costs of the matching, or some of them.
        points: At which points masks are compared, or some of these options.

    Raises:
        ConfigError: An option is unknown or out of its range.
    """

    def __init__(
        self,
        *,
        class_weight: float = 1.0,
        box_weight: float = 5.0,
        giou_weight: float = 2.0,
        mask_weight: float = 5.0,
        dice_weight: float = 5.0,
        alpha: float = 0.25,
        gamma: float = 2.0,
        crowd_iof: float | None = 0.5,
        matching: QueryCosts | Mapping[str, Any] | None = None,
        points: PointOptions | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        weights = {
            "class_weight": class_weight,
            "box_weight": box_weight,
            "giou_weight": giou_weight,
            "mask_weight": mask_weight,
            "dice_weight": dice_weight,
            "gamma": gamma,
        }
        check_ranges(weights, dict.fromkeys(weights, Range(minimum=0)))
        shares = {"alpha": alpha, **({} if crowd_iof is None else {"crowd_iof": crowd_iof})}
        check_ranges(shares, dict.fromkeys(shares, PROBABILITY))
        self.class_weight, self.box_weight, self.giou_weight = class_weight, box_weight, giou_weight
        self.mask_weight, self.dice_weight = mask_weight, dice_weight
        self.alpha, self.gamma, self.crowd_iof = alpha, gamma, crowd_iof
        self.matching = read_options(QueryCosts, matching or {}, group="matching")
        self.points = read_options(PointOptions, points or {}, group="points")
        self._has_warned = False

    def forward(self, outputs: QueryOutputs, batch: DetectionBatch) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            outputs: Of the head in training.
            batch: `target` and `size` are read.

        Returns:
            `loss_cls`, `loss_box` and `loss_giou` of the last decoder layer, and `loss_mask` and
            `loss_dice` with masks, each `()`; the same of layer i with the suffix `_i`, of the
            selection with `_selection`, and of noised queries with `_denoising` and
            `_denoising_i`, if there are any.
        """
        logits = outputs["selection"]["logits"]
        with torch.autocast(logits.device.type, enabled=False):
            features = outputs.get("mask_features")
            if features is not None:
                features = at_least_float32(features)
            objects = read_objects(batch, masks=features is not None)
            self._warn_of_surplus(objects.counts, batch["target"], logits.shape[1])
            count = objects.padded.valid.sum().to(torch.float32)
            if self.training:
                count = mean_over_processes(count)
            count = count.clamp(min=1)
            terms: dict[str, Tensor] = {}
            for suffix, (layer, pairs, groups) in self._layers(outputs, objects, features).items():
                weighted = self._terms(layer, pairs, objects)
                if features is not None and "mask_codes" in layer:
                    counts = [min(n * groups, layer["logits"].shape[1]) for n in objects.counts]
                    weighted |= self._mask_terms(layer, pairs, objects, features, counts)
                terms |= {name + suffix: term / (count * groups) for name, term in weighted.items()}
            terms["loss_cls"] = terms["loss_cls"] + outputs["unused"]
        return terms

    def _layers(
        self, outputs: QueryOutputs, objects: QueryObjects, features: Tensor | None
    ) -> dict[str, tuple[QueryPredictions, Pairs, int]]:
        """What is compared: predictions, their pairs, and number of groups, by suffix."""
        points: PointFeatures | None = None
        if features is not None:
            points = draw_point_features(features, objects, self.points.count)
        layers = [*outputs["layers"], outputs["selection"]]
        suffixes = [*_suffixes(len(layers) - 1), "_selection"]
        matched = match_layers(layers, objects, self.matching, points)
        found = {
            suffix: (layer, pairs, 1)
            for suffix, layer, pairs in zip(suffixes, layers, matched, strict=True)
        }
        if "noised" in outputs:
            noised, layers = outputs["noised"], outputs["denoising"]
            pairs = Pairs(noised.image, noised.query, noised.place)
            for suffix, layer in zip(_suffixes(len(layers)), layers, strict=True):
                found[f"_denoising{suffix}"] = (layer, pairs, noised.groups)
        return found

    def _terms(
        self, predictions: QueryPredictions, pairs: Pairs, objects: QueryObjects
    ) -> dict[str, Tensor]:
        """Weighted sums over queries."""
        logits, boxes = predictions["logits"], at_least_float32(predictions["boxes"])
        labels = torch.full(logits.shape[:2], BACKGROUND, dtype=torch.int64, device=logits.device)
        if self.crowd_iof is not None and objects.has_crowds:
            labels = labels.masked_fill(objects.hides(boxes, self.crowd_iof), IGNORED)
        labels[pairs.image, pairs.query] = pairs.of_objects(objects.padded.labels)
        classes = sigmoid_focal_loss(logits, labels, alpha=self.alpha, gamma=self.gamma)
        found, wanted = pairs.of_queries(boxes), pairs.of_objects(objects.boxes)
        giou = paired_giou(shares_to_corners(found), shares_to_corners(wanted))
        return {
            "loss_cls": self.class_weight * classes,
            "loss_box": self.box_weight * (found - wanted).abs().sum(),
            "loss_giou": self.giou_weight * (1 - giou).sum(),
        }

    def _mask_terms(
        self,
        predictions: QueryPredictions,
        pairs: Pairs,
        objects: QueryObjects,
        features: Tensor,
        counts: Sequence[int],
    ) -> dict[str, Tensor]:
        """Weighted sums over matched queries, of which `counts` are each image's."""
        assert objects.masks is not None, "masks have been read"
        logits = whole_masks(pairs.of_queries(predictions["mask_codes"]), features, counts)
        index = objects.first[pairs.image] + pairs.place
        extents = objects.extents[pairs.image]
        entropy, dice = mask_losses(logits, objects.masks, index, extents, self.points)
        return {"loss_mask": self.mask_weight * entropy, "loss_dice": self.dice_weight * dice}

    def _warn_of_surplus(
        self, counts: Sequence[int], targets: Sequence[DetectionTarget], num_queries: int
    ) -> None:
        """Say once per run that an image has more objects than there are queries."""
        if self._has_warned or max(counts, default=0) <= num_queries:
            return
        self._has_warned = True
        image = max(range(len(counts)), key=counts.__getitem__)
        logger.warning(
            "the image with id %d has %s objects, more than num_queries=%s: %s of them are not "
            "learnt in this step, and so for other such images. Raise head_options.num_queries to "
            "learn all.",
            int(targets[image]["image_id"]),
            f"{counts[image]:,}",
            f"{num_queries:,}",
            f"{counts[image] - num_queries:,}",
        )


def _suffixes(depth: int) -> list[str]:
    """Of the names of the terms of each decoder layer: none for the last."""
    return [*(f"_{i}" for i in range(depth - 1)), ""]
