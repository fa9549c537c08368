"""RetinaNet: classes and box deltas of anchors at every cell."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import Detections, DetectionTarget
from vision.contracts.features import ClassRows, FeatureSpec
from vision.heads.detection.dense import DenseHead, reset_convs
from vision.ops.anchors import anchors, check_shapes
from vision.ops.boxes import clip_boxes, decode_boxes
from vision.ops.dense import AnchorOutputs, flatten_map


class RetinaNetHead(DenseHead):
    """Two towers of convolutions, shared by all maps.

    "Focal Loss for Dense Object Detection", Lin et al., 2017, https://arxiv.org/abs/1708.02002,
    section 4. Anchors and box coding follow mmdetection: unrounded anchors, centred on the top left
    corners of the cells, deltas that are not divided by standard deviations.

    Args:
        specs: The maps, all with the same number of channels; published with strides 8 to 128.
        num_classes: Number K of classes.
        channels: Channels of the towers.
        num_convs: Convolutions of each tower.
        octave_scale: Side of the smallest square anchor, in strides.
        scales_per_octave: Anchor sizes from one level to the next.
        aspect_ratios: Heights over widths of anchors.
        prior_prob: Probability of every class before training.
        score_threshold: Predictions whose score is not above it are dropped.
        nms_threshold: Overlap above which the lower of two boxes of a class is dropped.
        topk_candidates: Predictions of each map that enter the suppression.
        max_per_image: Number D of detections per image.

    Raises:
        ConfigError: The maps differ in their channels, there is no class, or there are no anchors.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 256,
        num_convs: int = 4,
        octave_scale: float = 4.0,
        scales_per_octave: int = 3,
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        prior_prob: float = 0.01,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        topk_candidates: int = 1000,
        max_per_image: int = 100,
    ) -> None:
        super().__init__(
            specs,
            num_classes=num_classes,
            score_threshold=score_threshold,
            nms_threshold=nms_threshold,
            topk_candidates=topk_candidates,
            max_per_image=max_per_image,
        )
        check_shapes([octave_scale], aspect_ratios)
        self.scales = tuple(
            octave_scale * 2 ** (i / scales_per_octave) for i in range(scales_per_octave)
        )
        self.aspect_ratios, self.prior_prob = tuple(aspect_ratios), prior_prob
        self.anchors_per_cell = len(self.scales) * len(self.aspect_ratios)
        widths = [self.in_channels, *[channels] * num_convs]
        self.class_convs = nn.ModuleList(
            nn.Conv2d(width, channels, 3, padding=1) for width in widths[:-1]
        )
        self.box_convs = nn.ModuleList(
            nn.Conv2d(width, channels, 3, padding=1) for width in widths[:-1]
        )
        self.logits = nn.Conv2d(widths[-1], self.anchors_per_cell * num_classes, 3, padding=1)
        self.deltas = nn.Conv2d(widths[-1], self.anchors_per_cell * 4, 3, padding=1)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        reset_convs(self, self.logits, prior_prob=self.prior_prob)

    def forward(
        self,
        features: Sequence[Tensor],
        sizes: Tensor,
        targets: Sequence[DetectionTarget] | None = None,
    ) -> AnchorOutputs | Detections:
        """Predict classes and boxes.

        Args:
            features: One map `(B, C, h, w)` per spec.
            sizes: int64 `(B, 2)` valid height and width of each image.
            targets: The objects of each image, in training; the criterion matches them.

        Returns:
            With targets, what `RetinaNetLoss` reads; without, detections in the valid images.
        """
        logits, deltas = [], []
        for features_of_level in features:
            x, y = features_of_level, features_of_level
            for class_conv, box_conv in zip(self.class_convs, self.box_convs, strict=True):
                x, y = F.relu(class_conv(x)), F.relu(box_conv(y))
            logits.append(flatten_map(self.logits(x), self.num_classes))
            deltas.append(flatten_map(self.deltas(y), 4))
        boxes = anchors(
            [(level.shape[-2], level.shape[-1]) for level in features],
            self.strides,
            scales=self.scales,
            aspect_ratios=self.aspect_ratios,
            device=features[0].device,
        )
        if targets is not None:
            return {
                "logits": torch.cat(logits, dim=1),
                "deltas": torch.cat(deltas, dim=1),
                "anchors": torch.cat(boxes),
            }
        return self._detect(logits, deltas, boxes, sizes)

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer has one row per anchor and class."""
        rows = ClassRows(groups=self.anchors_per_cell, per_class=1, background=False)
        return {"logits.weight": rows, "logits.bias": rows}

    def _detect(
        self,
        logits: Sequence[Tensor],
        deltas: Sequence[Tensor],
        boxes: Sequence[Tensor],
        sizes: Tensor,
    ) -> Detections:
        found, scores, labels = [], [], []
        for level_logits, level_deltas, level_boxes in zip(logits, deltas, boxes, strict=True):
            best = self.best(level_logits)
            decoded = decode_boxes(level_boxes[best.index], best.take(level_deltas))
            found.append(clip_boxes(decoded, sizes))
            scores.append(best.scores)
            labels.append(best.labels)
        return self.suppress(
            torch.cat(found, dim=1), torch.cat(scores, dim=1), torch.cat(labels, dim=1)
        )
