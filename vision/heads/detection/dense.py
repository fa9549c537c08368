"""Base of dense detection heads: the selection among the predictions of all cells.

N counts candidates, D the places for detections.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from vision.contracts.detection import Detections
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.base import DetectionHead
from vision.ops.boxes import at_least_float32
from vision.ops.nms import keep_detections


@dataclass(frozen=True)
class Candidates:
    """The best predictions of one map for each image of a batch.

    Attributes:
        index: int64 `(B, N)` row of the prediction.
        scores: float32 `(B, N)`, sigmoid of the logit; 0 if not above the threshold.
        labels: int64 `(B, N)` class index.
    """

    index: Tensor
    scores: Tensor
    labels: Tensor

    def take(self, values: Tensor) -> Tensor:
        """The rows of the candidates: `(B, n, c)` to `(B, N, c)`."""
        return values.gather(1, self.index[..., None].expand(-1, -1, values.shape[2]))


class DenseHead(DetectionHead):
    """Base of the heads that predict classes and boxes at every cell of a pyramid.

    Args:
        specs: The maps, all with the same number of channels.
        num_classes: Number K of classes.
        score_threshold: Predictions whose class score is not above it are dropped.
        nms_threshold: Overlap above which the lower of two boxes of a class is dropped.
        topk_candidates: Predictions of each map that enter the suppression.
        max_per_image: Number D of places for each image.

    Raises:
        ConfigError: The maps differ in their channels, or there is no class.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec],
        *,
        num_classes: int,
        score_threshold: float,
        nms_threshold: float,
        topk_candidates: int,
        max_per_image: int,
    ) -> None:
        super().__init__()
        if not specs or len({spec.channels for spec in specs}) > 1:
            raise ConfigError(
                f"{type(self).__name__} is shared by maps of the same number of channels; got "
                f"{[spec.channels for spec in specs]}. Put an FPN before it."
            )
        if num_classes < 1:
            raise ConfigError(f"num_classes is 1 or more; got {num_classes}.")
        self.num_classes = num_classes
        self.in_channels = specs[0].channels
        self.strides = tuple(spec.stride for spec in specs)
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.topk_candidates, self.max_per_image = topk_candidates, max_per_image

    def best(self, logits: Tensor) -> Candidates:
        """Choose the pairs of prediction and class with the highest scores.

        Args:
            logits: float `(B, n, K)` of one map.

        Returns:
            `min(topk_candidates, n * K)` candidates by falling score.
        """
        # A pair among the best is in a row among the best: looking for rows first reads the large
        # tensor once, and sorts little.
        count = min(self.topk_candidates, logits.shape[1])
        rows = logits.amax(dim=2).topk(count, dim=1).indices  # (B, n')
        chosen = logits.gather(1, rows[..., None].expand(-1, -1, self.num_classes))
        count = min(self.topk_candidates, count * self.num_classes)
        values, place = chosen.flatten(1).topk(count, dim=1)  # (B, N)
        index = rows.gather(1, place // self.num_classes)
        scores = at_least_float32(values).sigmoid()
        return Candidates(
            index, scores.where(scores > self.score_threshold, 0), place % self.num_classes
        )

    def suppress(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> Detections:
        """Drop boxes that overlap better ones of the same class, and choose the best of all maps.

        Args:
            boxes: float32 `(B, N, 4)` in pixels, clipped to the images.
            scores: float32 `(B, N)`; boxes with 0 are not taken.
            labels: int64 `(B, N)`.

        Returns:
            D places for each image; zeros where they are not filled.
        """
        # A box beyond the image is empty once it is clipped, and would take a place.
        scores = scores.masked_fill((boxes[..., 2:] <= boxes[..., :2]).any(dim=-1), 0)
        index, valid = keep_detections(
            boxes,
            scores,
            labels,
            iou_threshold=self.nms_threshold,
            max_per_image=self.max_per_image,
        )
        return {
            "boxes": boxes.gather(1, index[..., None].expand(-1, -1, 4)) * valid[..., None],
            "scores": scores.gather(1, index) * valid,
            "labels": labels.gather(1, index) * valid,
            "count": valid.sum(dim=1),
        }


def reset_convs(head: nn.Module, logits: nn.Conv2d, *, prior_prob: float) -> None:
    """Initialise the convolutions of a dense head as RetinaNet does (section 4.1).

    Args:
        head: All its convolutions get weights of standard deviation 0.01 and no bias.
        logits: The one whose bias makes every class as likely as `prior_prob` at first.
        prior_prob: Probability in (0, 1).
    """
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    assert logits.bias is not None, "the logits have a bias"
    nn.init.constant_(logits.bias, -math.log((1 - prior_prob) / prior_prob))
