"""FCOS: classes, distances to the sides of a box, and centerness at every cell."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import Detections, DetectionTarget
from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.dense import DenseHead, reset_convs
from vision.layers.conv_group_norm import ConvGroupNorm
from vision.ops.boxes import at_least_float32, clip_boxes
from vision.ops.dense import PointOutputs, flatten_map
from vision.ops.points import points


class FCOSHead(DenseHead):
    """Two towers of convolutions with group norm, shared by all maps.

    "FCOS: A Simple and Strong Anchor-free Object Detector", Tian et al., 2020,
    https://arxiv.org/abs/2006.09214, section 2, with the authors' improvements: the centerness
    branch is on the box tower, and distances are predicted in strides, as the ReLU of a
    convolution times a learnt scale per map. The score of a detection is class score times
    centerness; the paper's square root of it changes no order. The threshold applies to the class
    score, as in mmdetection.

    Args:
        specs: The maps, all with the same number of channels; published with strides 8 to 128.
        num_classes: Number K of classes.
        channels: Channels of the towers.
        num_convs: Convolutions of each tower.
        num_groups: Groups of the group norm.
        prior_prob: Probability of every class before training.
        score_threshold: Predictions whose class score is not above it are dropped.
        nms_threshold: Overlap above which the lower of two boxes of a class is dropped.
        topk_candidates: Predictions of each map that enter the suppression.
        max_per_image: Number D of detections per image.

    Raises:
        ConfigError: The maps differ in their channels, there is no class, or the channels do not
            make whole groups.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        channels: int = 256,
        num_convs: int = 4,
        num_groups: int = 32,
        prior_prob: float = 0.01,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.6,
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
        if channels % num_groups:
            raise ConfigError(
                f"channels={channels} do not make {num_groups} groups; choose a multiple of "
                "num_groups."
            )
        self.prior_prob = prior_prob
        widths = [self.in_channels, *[channels] * num_convs]
        self.class_convs = nn.ModuleList(
            ConvGroupNorm(width, channels, num_groups=num_groups, act=True) for width in widths[:-1]
        )
        self.box_convs = nn.ModuleList(
            ConvGroupNorm(width, channels, num_groups=num_groups, act=True) for width in widths[:-1]
        )
        self.logits = nn.Conv2d(widths[-1], num_classes, 3, padding=1)
        self.distances = nn.Conv2d(widths[-1], 4, 3, padding=1)
        self.centerness = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(len(specs)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise the parameters, as published."""
        reset_convs(self, self.logits, prior_prob=self.prior_prob)
        nn.init.ones_(self.scales)
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.reset_parameters()

    def forward(
        self,
        features: Sequence[Tensor],
        sizes: Tensor,
        targets: Sequence[DetectionTarget] | None = None,
    ) -> PointOutputs | Detections:
        """Predict classes, boxes and centerness.

        Args:
            features: One map `(B, C, h, w)` per spec.
            sizes: int64 `(B, 2)` valid height and width of each image.
            targets: The objects of each image, in training; the criterion assigns them.

        Returns:
            With targets, what `FCOSLoss` reads; without, detections in the valid images.
        """
        logits, distances, centerness = [], [], []
        for i, features_of_level in enumerate(features):
            x, y = features_of_level, features_of_level
            for class_conv, box_conv in zip(self.class_convs, self.box_convs, strict=True):
                x, y = class_conv(x), box_conv(y)
            logits.append(flatten_map(self.logits(x), self.num_classes))
            # In float32: half precision overflows at the coarsest map of a large image.
            raw = at_least_float32(flatten_map(self.distances(y), 4))
            distances.append(F.relu(raw * self.scales[i]))
            centerness.append(flatten_map(self.centerness(y), 1)[..., 0])
        locations = points(
            [(level.shape[-2], level.shape[-1]) for level in features],
            self.strides,
            device=features[0].device,
        )
        if targets is not None:
            strides = [
                level.new_full((len(level),), stride)
                for level, stride in zip(locations, self.strides, strict=True)
            ]
            return {
                "logits": torch.cat(logits, dim=1),
                "distances": torch.cat(distances, dim=1),
                "centerness": torch.cat(centerness, dim=1),
                "points": torch.cat(locations),
                "strides": torch.cat(strides),
            }
        return self._detect(logits, distances, centerness, locations, sizes)

    def class_rows(self) -> dict[str, ClassRows]:
        """The last layer of the class tower has one row per class."""
        rows = ClassRows(groups=1, per_class=1, background=False)
        return {"logits.weight": rows, "logits.bias": rows}

    def _detect(
        self,
        logits: Sequence[Tensor],
        distances: Sequence[Tensor],
        centerness: Sequence[Tensor],
        locations: Sequence[Tensor],
        sizes: Tensor,
    ) -> Detections:
        found, scores, labels = [], [], []
        for i, stride in enumerate(self.strides):
            best = self.best(logits[i])
            to_sides = best.take(distances[i]) * stride  # (B, N, 4)
            place = locations[i][best.index]  # (B, N, 2)
            boxes = torch.cat([place - to_sides[..., :2], place + to_sides[..., 2:]], dim=-1)
            found.append(clip_boxes(boxes, sizes))
            central = at_least_float32(best.take(centerness[i][..., None])[..., 0]).sigmoid()
            scores.append(best.scores * central)
            labels.append(best.labels)
        return self.suppress(
            torch.cat(found, dim=1), torch.cat(scores, dim=1), torch.cat(labels, dim=1)
        )
