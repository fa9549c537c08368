"""Faster R-CNN, Mask R-CNN and Cascade Mask R-CNN: one head, whose stages are data.

S counts the places of a sample, P proposals, D detections, N masks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from vision.contracts.detection import Detections, DetectionTarget
from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError, DataError, suggest
from vision.heads.detection.base import DetectionHead
from vision.heads.detection.box_head import LAYERS, PRIOR, BoxHead, BoxHeadKind, BoxOutputs
from vision.heads.detection.box_head import POOL_SIZE as BOX_POOL_SIZE
from vision.heads.detection.mask_head import MASK_SIZE, MaskHead
from vision.heads.detection.mask_head import POOL_SIZE as MASK_POOL_SIZE
from vision.heads.detection.rpn import RPN, RPNSettings
from vision.ops.boxes import at_least_float32, clip_boxes, decode_boxes, encode_boxes
from vision.ops.masks import crop_masks
from vision.ops.matching import IGNORED, match_boxes, sample_balanced
from vision.ops.nms import keep_detections
from vision.ops.roi import multi_level_roi_align
from vision.ops.targets import PaddedTargets, pad_targets
from vision.ops.two_stage import (
    BoxSamples,
    Classifier,
    MaskSamples,
    TwoStageOutputs,
    check_classifier,
    pick_class,
    rows_to_run,
)
from vision.options import PROBABILITY, Range, check_ranges, read_options


@dataclass(frozen=True)
class Stage:
    """One box branch and what it learns.

    Attributes:
        iou_threshold: Minimum overlap of a proposal with its object; below, it is background.
        target_stds: Divisors of the deltas.
        loss_weight: Factor on the losses of the stage.
    """

    iou_threshold: float = 0.5
    target_stds: Sequence[float] = (0.1, 0.1, 0.2, 0.2)
    loss_weight: float = 1.0


STAGE_RANGES = {
    "iou_threshold": Range(above=0, maximum=1),
    "target_stds": Range(above=0, length=4),
}

# "Mask R-CNN", 2017, and "Cascade R-CNN", 2018, sections 4.1 and 5.1; weights as in the recipes.
ONE_STAGE = (Stage(),)
CASCADE = (
    Stage(),
    Stage(iou_threshold=0.6, target_stds=(0.05, 0.05, 0.1, 0.1), loss_weight=0.5),
    Stage(iou_threshold=0.7, target_stds=(0.033, 0.033, 0.067, 0.067), loss_weight=0.25),
)

# Pairs of a proposal and a class, by falling score, that detections of sigmoids are chosen from: as
# many as exceed the usual threshold of 0.05 by a softmax of 1,000 proposals.
MAX_SIGMOID = 20_000


class _Proposals(NamedTuple):
    boxes: Tensor  # (B, P, 4), zeros in empty places
    valid: Tensor  # (B, P)


class _Sampled(NamedTuple):
    """Proposals for training, S places for each image."""

    boxes: Tensor  # (B, S, 4), zeros in empty places
    objects: Tensor  # (B, S, 4), of positives; else the box itself
    place: Tensor  # (B, S) place of the object among the targets of its image
    labels: Tensor  # (B, S) class, background K
    positive: Tensor  # (B, S)
    valid: Tensor  # (B, S)
    is_target: Tensor  # (B, S), whether the proposal is a target itself


class TwoStage(DetectionHead):
    """Find regions, then classify, move and cut out each.

    "Faster R-CNN", Ren et al., 2015; "Mask R-CNN", He et al., 2017; "Cascade R-CNN: Delving into
    High Quality Object Detection", Cai and Vasconcelos, 2018. A cascade has several stages, each of
    which starts from the boxes of the one before; logits and masks are averaged over them in
    evaluation. Matching, sampling and post-processing agree with the published recipes, but work on
    whole batches with a fixed number of places, and take crowds into account.

    Args:
        specs: The maps of the neck, finest first; the last one is only for proposals.
        num_classes: Number of classes K.
        stages: The stages, or their fields; `CASCADE` for Cascade R-CNN.
        box_head: Layers of the box heads: `"2fc"` or, with batch norms, `"4conv1fc"`.
        masks: Whether there is a mask head per stage.
        classifier: `"softmax"` over the classes and the background, or `"sigmoid"`, one for each
            class, whose probabilities a cascade averages in place of the logits; the output for the
            background is then not used (as in detectron2 for LVIS).
        channels: Channels of the convolutions of the box and mask heads.
        fc_dim: Width of the linear layers of the box heads.
        class_agnostic: Whether all classes share the deltas of a proposal.
        allow_low_quality: Whether each object takes the proposals that overlap it most, if by the
            stage's `iou_threshold` or more, from objects that these overlap even more.
        batch_size_per_image: Sampled proposals per image and stage.
        positive_fraction: Largest share of them with an object.
        crowd_iof: Anchors and proposals without an object are ignored in training if at least this
            share of them lies in a crowd; None, as published, treats them as background.
        score_threshold: Detections have a higher score.
        nms_threshold: Intersection over union above which the lower of two detections of a class is
            dropped.
        max_per_image: Places D for the detections of an image.
        rpn: Settings of the region proposal network, or some of their fields.

    Raises:
        ConfigError: An option has a value out of its range, or settings have an unknown field.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        stages: Sequence[Stage | Mapping[str, Any]] = ONE_STAGE,
        box_head: BoxHeadKind = "2fc",
        masks: bool = True,
        classifier: Classifier = "softmax",
        channels: int = 256,
        fc_dim: int = 1024,
        class_agnostic: bool = False,
        allow_low_quality: bool = False,
        batch_size_per_image: int = 512,
        positive_fraction: float = 0.25,
        crowd_iof: float | None = 0.5,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_per_image: int = 100,
        rpn: RPNSettings | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.stages = tuple(read_options(Stage, stage, group="stages") for stage in stages)
        _check(specs, self.stages, box_head)
        self.classifier: Classifier = check_classifier(classifier)
        counts = {"num_classes": num_classes, "max_per_image": max_per_image}
        counts["batch_size_per_image"] = batch_size_per_image
        check_ranges(counts, dict.fromkeys(counts, Range(minimum=1)))
        shares = {"score_threshold": score_threshold, "nms_threshold": nms_threshold}
        shares["positive_fraction"] = positive_fraction
        check_ranges(shares, dict.fromkeys(shares, PROBABILITY))
        self.num_classes, self.class_agnostic = num_classes, class_agnostic
        self.allow_low_quality, self.crowd_iof = allow_low_quality, crowd_iof
        self.batch_size_per_image, self.positive_fraction = batch_size_per_image, positive_fraction
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.max_per_image, self.has_masks = max_per_image, masks
        self.strides = tuple(spec.stride for spec in specs[:-1])
        settings = read_options(RPNSettings, rpn or {}, group="rpn")
        self.rpn = RPN(specs, settings=settings, crowd_iof=crowd_iof)
        self.box_heads = nn.ModuleList(
            BoxHead(
                specs[0].channels,
                num_classes=num_classes,
                kind=box_head,
                channels=channels,
                fc_dim=fc_dim,
                class_agnostic=class_agnostic,
                prior=None if classifier == "softmax" else PRIOR,
            )
            for _ in self.stages
        )
        self.mask_heads = nn.ModuleList(
            MaskHead(specs[0].channels, num_classes=num_classes, channels=channels)
            for _ in (self.stages if masks else ())
        )

    def reset_parameters(self) -> None:
        """Initialise the parameters."""
        self.rpn.reset_parameters()
        for i in range(len(self.stages)):
            self._box(i).reset_parameters()
        for i in range(len(self.mask_heads)):
            self._mask(i).reset_parameters()

    def class_rows(self) -> dict[str, ClassRows]:
        """See `DetectionHead.class_rows`."""
        rows: dict[str, ClassRows] = {}
        for i in range(len(self.stages)):
            rows |= {
                f"box_heads.{i}.{name}": row for name, row in self._box(i).class_rows().items()
            }
        for i in range(len(self.mask_heads)):
            rows |= {
                f"mask_heads.{i}.{name}": row for name, row in self._mask(i).class_rows().items()
            }
        return rows

    def _box(self, i: int) -> BoxHead:
        return cast(BoxHead, self.box_heads[i])

    def _mask(self, i: int) -> MaskHead:
        return cast(MaskHead, self.mask_heads[i])

    def forward(
        self,
        features: Sequence[Tensor],
        sizes: Tensor,
        targets: Sequence[DetectionTarget] | None = None,
    ) -> TwoStageOutputs | Detections:
        """Samples for training, or detections.

        Args:
            features: Maps `(B, C, h, w)` of the neck.
            sizes: int64 `(B, 2)` valid height and width of each image in pixels.
            targets: The objects of each image; None for detections.

        Returns:
            With targets what `TwoStageLoss` reads; else D places per image.

        Raises:
            DataError: There is a mask head, and the targets have no masks.
        """
        maps = self.rpn(features)
        if targets is None:
            return self._detect(features, sizes, _Proposals(*self.rpn.propose(maps, sizes)))
        padded = pad_targets(targets)
        all_masks, first_mask = _stack_masks(targets) if len(self.mask_heads) else (None, None)
        anchors = self.rpn.sample(maps, sizes, padded)
        proposals = _Proposals(*self.rpn.propose(maps, sizes))
        outputs = []
        for i, stage in enumerate(self.stages):
            sampled = self._sample(proposals, padded, stage)
            rows = rows_to_run(sampled.valid.flatten(), exact=self._box(i).has_norm)
            seen = self._run_boxes(i, features, sampled.boxes, rows)
            outputs.append(self._box_samples(stage, sampled, seen))
            if all_masks is not None and first_mask is not None:
                places = sampled.place + first_mask[:, None]
                outputs[i]["masks"] = self._mask_samples(i, features, sampled, all_masks, places)
            if i + 1 < len(self.stages):
                labels = torch.where(
                    sampled.positive, sampled.labels, _best_class(seen, sampled.valid)
                )
                moved = self._move(stage, sampled.boxes, seen, labels, sizes)
                # The next stage adds the targets again, not what this one made of them.
                proposals = _Proposals(moved, sampled.valid & ~sampled.is_target)
        return {"anchors": anchors, "stages": outputs}

    @torch.no_grad()
    def _sample(self, proposals: _Proposals, targets: PaddedTargets, stage: Stage) -> _Sampled:
        matches = match_boxes(
            proposals.boxes,
            targets,
            fg_iou_threshold=stage.iou_threshold,
            bg_iou_threshold=stage.iou_threshold,
            low_quality_threshold=stage.iou_threshold,
            allow_low_quality=self.allow_low_quality,
            crowd_iof=self.crowd_iof,
            valid=proposals.valid,
        )
        # The targets are proposals too, each matched with itself.
        own = torch.arange(targets.valid.shape[1], device=matches.device)
        own = torch.where(targets.valid, own, IGNORED)  # (B, M)
        matches = torch.cat([own, matches], dim=1)
        boxes = torch.cat([targets.boxes.to(proposals.boxes.dtype), proposals.boxes], dim=1)
        sampled = sample_balanced(
            matches,
            batch_size_per_image=self.batch_size_per_image,
            positive_fraction=self.positive_fraction,
        )
        place = matches.gather(1, sampled.index).clamp(min=0)
        boxes = (
            boxes.gather(1, sampled.index[..., None].expand(-1, -1, 4)) * sampled.valid[..., None]
        )
        objects = targets.boxes.gather(1, place[..., None].expand(-1, -1, 4))
        labels = targets.labels.gather(1, place)
        return _Sampled(
            boxes=boxes,
            objects=torch.where(sampled.positive[..., None], objects.to(boxes.dtype), boxes),
            place=place,
            labels=labels.masked_fill(~sampled.positive, self.num_classes),
            positive=sampled.positive,
            valid=sampled.valid,
            is_target=sampled.positive & (sampled.index < targets.valid.shape[1]),
        )

    def _run_boxes(
        self, i: int, features: Sequence[Tensor], boxes: Tensor, rows: Tensor
    ) -> BoxOutputs:
        """Outputs of a box branch for `boxes` `(B, P, 4)`; the leading axis is `B * P`."""
        pooled = self._pool(features, boxes, rows, BOX_POOL_SIZE)
        return self._box(i).run_rows(pooled, rows, boxes.shape[0] * boxes.shape[1])

    def _pool(self, features: Sequence[Tensor], boxes: Tensor, rows: Tensor, size: int) -> Tensor:
        return multi_level_roi_align(
            features[: len(self.strides)],
            self.strides,
            boxes.flatten(0, 1)[rows],
            rows // boxes.shape[1],
            size=size,
        )

    def _box_samples(self, stage: Stage, sampled: _Sampled, seen: BoxOutputs) -> BoxSamples:
        shape = sampled.valid.shape
        deltas = at_least_float32(pick_class(seen.deltas, sampled.labels.flatten())).view(*shape, 4)
        return {
            "logits": seen.logits.view(*shape, -1),
            "labels": sampled.labels,
            "deltas": deltas,
            "target_deltas": encode_boxes(sampled.boxes, sampled.objects, stage.target_stds),
            "boxes": decode_boxes(sampled.boxes, deltas, stage.target_stds),
            "target_boxes": sampled.objects,
            "positive": sampled.positive,
            "valid": sampled.valid,
            "weight": stage.loss_weight,
        }

    def _mask_samples(
        self, i: int, features: Sequence[Tensor], sampled: _Sampled, masks: Tensor, places: Tensor
    ) -> MaskSamples:
        positive = sampled.positive.flatten()
        rows = rows_to_run(positive, exact=True)
        logits = self._mask(i)(self._pool(features, sampled.boxes, rows, MASK_POOL_SIZE))
        labels, boxes = sampled.labels.flatten()[rows], sampled.boxes.flatten(0, 1)[rows]
        place = places.flatten()[rows].clamp(max=len(masks) - 1)
        return {
            "logits": pick_class(logits, labels),
            "targets": crop_masks(masks, place, boxes, MASK_SIZE),
            "weight": positive[rows].float(),
        }

    @torch.no_grad()
    def _move(
        self, stage: Stage, boxes: Tensor, seen: BoxOutputs, labels: Tensor, sizes: Tensor
    ) -> Tensor:
        """Boxes `(B, P, 4)` after the deltas of a class each, clipped to their images."""
        deltas = pick_class(seen.deltas, labels.flatten()).view(*labels.shape, 4)
        return clip_boxes(decode_boxes(boxes, deltas, stage.target_stds), sizes)

    def _detect(
        self, features: Sequence[Tensor], sizes: Tensor, proposals: _Proposals
    ) -> Detections:
        boxes, valid = proposals
        rows = rows_to_run(valid.flatten(), exact=False)
        # Logits before a softmax, probabilities of a sigmoid.
        mean = torch.zeros((), device=boxes.device)
        seen = self._run_boxes(0, features, boxes, rows)
        for i, stage in enumerate(self.stages):
            logits = at_least_float32(seen.logits)
            own = logits if self.classifier == "softmax" else logits.sigmoid()
            mean = mean + own / len(self.stages)
            if i + 1 < len(self.stages):
                boxes = self._move(stage, boxes, seen, _best_class(seen, valid), sizes)
                seen = self._run_boxes(i + 1, features, boxes, rows)
        scores = mean.softmax(dim=-1) if self.classifier == "softmax" else mean
        scores = scores[:, :-1].view(*valid.shape, -1)  # (B, P, K)
        scores = scores.masked_fill(~valid[..., None] | (scores <= self.score_threshold), 0.0)
        found = self._choose(boxes, seen.deltas, scores, sizes)
        if len(self.mask_heads):
            found["masks"] = self._predict_masks(features, found)
        return found

    def _choose(self, boxes: Tensor, deltas: Tensor, scores: Tensor, sizes: Tensor) -> Detections:
        """The best boxes of all classes, from proposals `(B, P, 4)` and scores `(B, P, K)`."""
        batch, count, classes = scores.shape
        maximum = count * classes
        if self.classifier == "sigmoid":
            maximum = min(maximum, MAX_SIGMOID)
        # The scores of a proposal sum to 1, so that no more than these exceed the threshold.
        elif self.score_threshold > 0:
            maximum = min(maximum, int(count / self.score_threshold) + 1)
        score, place = scores.flatten(1).topk(maximum, dim=1)  # (B, C)
        label, proposal = place % classes, place // classes
        # One row per proposal and class: rows of all classes would be many times as much.
        shared = deltas.shape[1] == 1
        row = torch.arange(batch, device=boxes.device)[:, None] * count + proposal
        row = row if shared else row * classes + label
        delta = deltas.flatten(0, 1)[row]  # (B, C, 4)
        chosen = boxes.gather(1, proposal[..., None].expand(-1, -1, 4))
        moved = clip_boxes(decode_boxes(chosen, delta, self.stages[-1].target_stds), sizes)
        index, valid = keep_detections(
            moved, score, label, iou_threshold=self.nms_threshold, max_per_image=self.max_per_image
        )
        return {
            "boxes": moved.gather(1, index[..., None].expand(-1, -1, 4)) * valid[..., None],
            "scores": score.gather(1, index) * valid,
            "labels": label.gather(1, index) * valid,
            "count": valid.sum(dim=1),
        }

    def _predict_masks(self, features: Sequence[Tensor], found: Detections) -> Tensor:
        """Probabilities `(B, D, 28, 28)` of the detections."""
        valid = (found["scores"] > 0).flatten()
        rows = rows_to_run(valid, exact=False)
        pooled = self._pool(features, found["boxes"], rows, MASK_POOL_SIZE)
        labels = found["labels"].flatten()[rows]
        masks = torch.zeros(1, device=pooled.device)
        for branch in self.mask_heads:
            logits = pick_class(branch(pooled), labels)
            masks = masks + at_least_float32(logits).sigmoid() / len(self.mask_heads)
        masks = masks * valid[rows, None, None]
        table = masks.new_zeros(len(valid), MASK_SIZE, MASK_SIZE).index_copy(0, rows, masks)
        return table.view(*found["scores"].shape, MASK_SIZE, MASK_SIZE)


def _best_class(seen: BoxOutputs, like: Tensor) -> Tensor:
    """The class of the highest score, background aside, in the shape of `like` `(B, P)`."""
    return seen.logits[:, :-1].argmax(dim=1).view(like.shape)


def _stack_masks(targets: Sequence[DetectionTarget]) -> tuple[Tensor, Tensor]:
    """Masks bool `(N, H, W)` of all images, and int64 `(B,)` the first of each image."""
    stacked, first, total = [], [], 0
    for target in targets:
        if "masks" not in target:
            raise DataError(
                f"Image {int(target['image_id'])} has no masks, but the detector has a mask "
                "head. Give a dataset with masks, or choose a detector of boxes only."
            )
        first.append(total)
        total += len(target["masks"])
        stacked.append(target["masks"])
    masks = torch.cat(stacked)
    if total == 0:
        masks = masks.new_zeros(1, *masks.shape[1:])
    # A blocking copy would wait for all that the GPU has to do.
    return masks, torch.tensor(first).to(masks.device, non_blocking=True)


def _check(specs: Sequence[FeatureSpec], stages: Sequence[Stage], box_head: str) -> None:
    if not stages:
        raise ConfigError("stages is empty; a detector has one stage or more.")
    for stage in stages:
        check_ranges(vars(stage), STAGE_RANGES, group="stages")
    if box_head not in LAYERS:
        raise ConfigError(
            f"box_head={box_head!r} is not one of {', '.join(LAYERS)}.{suggest(box_head, LAYERS)}"
        )
    if len(specs) < 2:
        raise ConfigError(
            f"A two-stage detector needs two maps or more, not {len(specs)}; give the neck "
            "extra_levels=1."
        )
    channels = {spec.channels for spec in specs}
    if len(channels) > 1:
        raise ConfigError(
            f"The maps have {sorted(channels)} channels, but must all have the same number; put a "
            "neck before the head."
        )
