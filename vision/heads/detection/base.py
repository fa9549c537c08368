"""Base class of the detection heads."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.contracts.detection import DetectionPrediction, Detections
from vision.contracts.features import ClassRows
from vision.ops.boxes import clip_boxes
from vision.ops.masks import paste_masks


class DetectionHead(nn.Module, ABC):
    """A head that finds objects in a feature pyramid.

    Its forward accepts `(features, sizes, targets=None)`. With targets it returns the training
    outputs that its criterion reads, without them `Detections`.

    Attributes:
        has_masks: Whether detections have masks.
        suppresses: Whether boxes that overlap better ones are dropped; queries that each stand for
            an object need no such step.
    """

    has_masks: bool = False
    suppresses: bool = True

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
        scale = (wanted.double() / sizes.double()).flip(1).repeat(1, 2).float()  # (B, 4)
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


def join_detections(parts: Sequence[Detections], places: Sequence[int]) -> Detections:
    """Put the detections of the parts of a batch together.

    Args:
        parts: What the head returned for each part.
        places: Place in the batch of each image of the parts, one part after the other.

    Returns:
        The detections of the whole batch.
    """
    max_per_image = max(part["scores"].shape[1] for part in parts)
    order = torch.tensor(places, device=parts[0]["scores"].device).argsort()
    joined = {}
    for key in parts[0]:
        tensors = [cast(dict[str, Tensor], part)[key] for part in parts]
        if key != "count":
            tensors = [_fill(tensor, max_per_image) for tensor in tensors]
        joined[key] = torch.cat(tensors)[order]
    return cast(Detections, joined)


def _fill(tensor: Tensor, count: int) -> Tensor:
    """Add empty places to `(B, D, ...)` until there are `count`."""
    after = [0] * (2 * (tensor.ndim - 2))
    return F.pad(tensor, [*after, 0, count - tensor.shape[1]])
