"""The region proposal network.

A counts the anchors of all maps, S the places of a sample, P proposals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import PADDED_TO
from vision.contracts.features import FeatureSpec
from vision.ops.anchors import anchors, check_shapes
from vision.ops.boxes import at_least_float32, clip_boxes, decode_boxes, encode_boxes
from vision.ops.matching import match_boxes, sample_balanced
from vision.ops.nms import keep_detections
from vision.ops.targets import PaddedTargets
from vision.ops.two_stage import AnchorSamples


@dataclass(frozen=True)
class RPNSettings:
    """Settings of a region proposal network, by default as in Mask R-CNN.

    Attributes:
        channels: Channels of its convolution.
        scales: Sides of square anchors, in strides.
        aspect_ratios: Heights over widths of anchors.
        allowed_border: Pixels by which an anchor in training may extend beyond the image; None for
            any number. Cascade R-CNN has 0.
        fg_iou_threshold: Minimum intersection over union of an anchor with its object.
        bg_iou_threshold: Intersection over union below which an anchor is background.
        batch_size_per_image: Sampled anchors per image.
        positive_fraction: Largest share of them with an object.
        pre_nms_topk_train: Anchors per map that enter the suppression in training.
        pre_nms_topk_test: The same in evaluation.
        post_nms_topk_train: Proposals per image in training; Cascade R-CNN has 2000.
        post_nms_topk_test: The same in evaluation.
        nms_threshold: Intersection over union above which the lower of two proposals is dropped.
    """

    channels: int = 256
    scales: Sequence[float] = (8.0,)
    aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0)
    allowed_border: int | None = None
    fg_iou_threshold: float = 0.7
    bg_iou_threshold: float = 0.3
    batch_size_per_image: int = 256
    positive_fraction: float = 0.5
    pre_nms_topk_train: int = 2000
    pre_nms_topk_test: int = 1000
    post_nms_topk_train: int = 1000
    post_nms_topk_test: int = 1000
    nms_threshold: float = 0.7


class AnchorMaps(NamedTuple):
    """Predictions for each anchor, one entry per map.

    Attributes:
        logits: float `(B, A_l)`, before the sigmoid.
        deltas: float `(B, A_l, 4)`.
        anchors: float32 `(A_l, 4)` in pixels of the image.
        shapes: Height and width of the map in cells.
    """

    logits: list[Tensor]
    deltas: list[Tensor]
    anchors: list[Tensor]
    shapes: list[tuple[int, int]]


class RPN(nn.Module):
    """Predict for each anchor whether it holds an object, and its box deltas.

    "Faster R-CNN", Ren et al., 2015, section 3.1, shared by the maps of a pyramid as in "Feature
    Pyramid Networks for Object Detection", Lin et al., 2017, section 4.1.

    Args:
        specs: The maps, all with the same number of channels.
        settings: Its settings.
        crowd_iof: See `match_boxes`.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        settings: RPNSettings,
        crowd_iof: float | None = None,
    ) -> None:
        super().__init__()
        check_shapes(settings.scales, settings.aspect_ratios)
        self.settings, self.crowd_iof = settings, crowd_iof
        self.strides = tuple(spec.stride for spec in specs)
        self.shapes_per_cell = len(settings.scales) * len(settings.aspect_ratios)
        self.conv = nn.Conv2d(specs[0].channels, settings.channels, 3, padding=1)
        self.logits = nn.Conv2d(settings.channels, self.shapes_per_cell, 1)
        self.deltas = nn.Conv2d(settings.channels, 4 * self.shapes_per_cell, 1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        for layer in (self.conv, self.logits, self.deltas):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None, "all three have a bias"
            nn.init.zeros_(layer.bias)

    def forward(self, features: Sequence[Tensor]) -> AnchorMaps:
        """Logits, deltas and anchors for the maps `(B, C, h, w)`."""
        shapes = [(feature.shape[-2], feature.shape[-1]) for feature in features]
        boxes = anchors(
            shapes,
            self.strides,
            scales=self.settings.scales,
            aspect_ratios=self.settings.aspect_ratios,
            device=features[0].device,
        )
        logits, deltas = [], []
        for feature in features:
            hidden = F.relu(self.conv(feature))
            logits.append(self.logits(hidden).permute(0, 2, 3, 1).flatten(1))
            deltas.append(self.deltas(hidden).permute(0, 2, 3, 1).reshape(len(hidden), -1, 4))
        return AnchorMaps(logits, deltas, boxes, shapes)

    @torch.no_grad()
    def propose(self, maps: AnchorMaps, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """The boxes that are most likely to hold an object.

        The best anchors of each map are moved, clipped and suppressed among themselves; the best
        of all maps are returned. How many depends on the mode, training or evaluation.

        Args:
            maps: What `forward` returned.
            sizes: int64 `(B, 2)` valid height and width of each image.

        Returns:
            Boxes `(B, P, 4)` by falling score, zeros in places not filled, and bool `(B, P)`,
            whether a place is filled.
        """
        options = self.settings
        maximum = options.pre_nms_topk_train if self.training else options.pre_nms_topk_test
        boxes, scores, levels = [], [], []
        for i, (logits, deltas, base) in enumerate(
            zip(maps.logits, maps.deltas, maps.anchors, strict=True)
        ):
            best, index = at_least_float32(logits).topk(min(maximum, logits.shape[1]), dim=1)
            moved = deltas.gather(1, index[..., None].expand(-1, -1, 4))
            boxes.append(clip_boxes(decode_boxes(base[index], moved), sizes))
            scores.append(best.sigmoid())
            levels.append(torch.full_like(index, i))
        box, score = torch.cat(boxes, dim=1), torch.cat(scores, dim=1)
        score = score.masked_fill((box[..., 2:] <= box[..., :2]).any(dim=-1), 0.0)
        index, valid = keep_detections(
            box,
            score,
            torch.cat(levels, dim=1),
            iou_threshold=options.nms_threshold,
            max_per_image=options.post_nms_topk_train
            if self.training
            else options.post_nms_topk_test,
        )
        box = box.gather(1, index[..., None].expand(-1, -1, 4))
        return box * valid[..., None], valid

    def sample(self, maps: AnchorMaps, sizes: Tensor, targets: PaddedTargets) -> AnchorSamples:
        """Sample the anchors for training.

        Args:
            maps: What `forward` returned.
            sizes: int64 `(B, 2)` valid height and width of each image.
            targets: The objects.

        Returns:
            S places for each image.
        """
        options, boxes = self.settings, torch.cat(maps.anchors)
        matches = match_boxes(
            boxes,
            targets,
            fg_iou_threshold=options.fg_iou_threshold,
            bg_iou_threshold=options.bg_iou_threshold,
            low_quality_threshold=options.bg_iou_threshold,
            allow_low_quality=True,
            crowd_iof=self.crowd_iof,
            valid=self._learnt(maps, sizes),
        )
        sampled = sample_balanced(
            matches,
            batch_size_per_image=options.batch_size_per_image,
            positive_fraction=options.positive_fraction,
        )
        place = matches.gather(1, sampled.index).clamp(min=0)
        chosen = boxes[sampled.index]  # (B, S, 4)
        objects = targets.boxes.gather(1, place[..., None].expand(-1, -1, 4))
        # Where there is no object, an anchor is its own target: no infinity is encoded.
        objects = torch.where(sampled.positive[..., None], objects, chosen)
        deltas = torch.cat(maps.deltas, dim=1)
        return {
            "logits": torch.cat(maps.logits, dim=1).gather(1, sampled.index),
            "deltas": deltas.gather(1, sampled.index[..., None].expand(-1, -1, 4)),
            "target_deltas": encode_boxes(chosen, objects),
            "positive": sampled.positive,
            "valid": sampled.valid,
        }

    def _learnt(self, maps: AnchorMaps, sizes: Tensor) -> Tensor:
        """Bool `(B, A)`, the anchors that take part in training."""
        padded = (sizes / PADDED_TO).ceil() * PADDED_TO  # (B, 2)
        rows = []
        for (height, width), stride in zip(maps.shapes, self.strides, strict=True):
            y = torch.arange(height, device=sizes.device) < (padded[:, :1] / stride).ceil()
            x = torch.arange(width, device=sizes.device) < (padded[:, 1:] / stride).ceil()
            cells = (y[:, :, None] & x[:, None]).flatten(1)  # (B, h * w)
            rows.append(cells.repeat_interleave(self.shapes_per_cell, dim=1))
        learnt = torch.cat(rows, dim=1)
        if self.settings.allowed_border is None:
            return learnt
        boxes, border = torch.cat(maps.anchors), self.settings.allowed_border
        inside = (boxes[:, :2] >= -border).all(dim=1)
        limits = sizes.flip(1)[:, None] + border  # (B, 1, 2) width and height
        return learnt & inside & (boxes[None, :, 2:] < limits).all(dim=2)
