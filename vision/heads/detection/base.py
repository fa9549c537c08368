"""What all detection heads share."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from vision.contracts import ClassRows, DetectionPrediction, Detections
from vision.ops.boxes import clip_boxes
from vision.ops.masks import paste_masks


class DetectionHead(nn.Module, ABC):
    """A head that finds objects in a feature pyramid.

    Its forward takes `(features, sizes, targets=None)`. With targets it returns the training
    outputs that its criterion reads, without them `Detections`.

    Attributes:
        has_masks: Whether detections have masks.
    """

    has_masks: bool = False

    @abstractmethod
    def class_rows(self) -> dict[str, ClassRows]:
        """The parameters that have rows for classes, by their name within the head."""

    @torch.no_grad()
    def predict(
        self, detections: Detections, sizes: Tensor, original_sizes: Tensor | None = None
    ) -> list[DetectionPrediction]:
        """Move detections to the pixels of the original images.

        Args:
            detections: What the head returned for a batch.
            sizes: int64 `(B, 2)` valid height and width of each image in the batch.
            original_sizes: int64 `(B, 2)` height and width of each file; None leaves boxes and
                masks in pixels of the valid images.

        Returns:
            The objects of each image by falling score, boxes clipped to the image.
        """
        wanted = sizes if original_sizes is None else original_sizes
        scale = (wanted.double() / sizes.double())[:, [1, 0, 1, 0]].float()  # (B, 4)
        boxes = clip_boxes(detections["boxes"].float() * scale[:, None], wanted)
        predictions: list[DetectionPrediction] = []
        shapes = wanted.tolist()
        for i, count in enumerate(detections["count"].tolist()):
            prediction: DetectionPrediction = {
                "boxes": boxes[i, :count],
                "labels": detections["labels"][i, :count],
                "scores": detections["scores"][i, :count].float(),
            }
            if "masks" in detections:
                masks, (height, width) = detections["masks"][i, :count], shapes[i]
                prediction["masks"] = paste_masks(masks, prediction["boxes"], (height, width))
            predictions.append(prediction)
        return predictions
