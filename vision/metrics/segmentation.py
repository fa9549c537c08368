"""Semantic segmentation measured over an epoch and over processes: IoU, accuracy, boundary IoU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError
from vision.metrics.boundary import boundary_labels
from vision.metrics.confusion import (
    LABELS,
    as_labels,
    check_classes,
    count_pairs,
    sum_over_processes,
)
from vision.metrics.segmentation_table import SegmentationScores

__all__ = ["SegmentationEvaluator", "SegmentationScores"]


class SegmentationEvaluator:
    """Counts the pixels of an epoch by predicted and true class.

    Counts are exact, stay on the device of the predictions and take 1 MiB, however many images
    there are.

    Args:
        num_classes: K, at most 255.
        boundary: Whether to count in the boundary regions of the classes too (`boundary.py`).

    Raises:
        ConfigError: The number of classes is not in 1 to 255.
    """

    def __init__(self, num_classes: int, *, boundary: bool = True) -> None:
        if not 1 <= num_classes <= IGNORED:
            raise ConfigError(
                f"num_classes is {num_classes}; expected 1 to {IGNORED}, since masks have one byte"
                f" per pixel and {IGNORED} is for pixels that do not count."
            )
        self.num_classes = num_classes
        self.boundary = boundary
        self.reset()

    def __len__(self) -> int:
        """Number of images that this process has seen."""
        return self._images

    def reset(self) -> None:
        """Forget all images."""
        self._images = 0
        # Pairs of target and prediction, in all pixels and in boundary regions.
        self._pairs = torch.zeros(1 + self.boundary, LABELS, LABELS, dtype=torch.int64)

    def update(self, predicted: Tensor, target: Tensor, *, where: str = "") -> None:
        """Count the pixels of one image.

        Args:
            predicted: int64 or uint8 `(H, W)` class indices in 0..K-1; pixels that are ignored may
                have any value.
            target: Integers `(H, W)` in 0..K-1, or `IGNORED`.
            where: Name of the image, for messages.

        Raises:
            DataError: The sizes differ, or a value is no class. Nothing of the image is counted.
        """
        predicted, target = as_labels(predicted, target, where)
        pairs = [count_pairs(target, predicted)]
        check_classes(pairs[0], self.num_classes, where)
        if self.boundary:
            predicted, target = boundary_labels(predicted, target)
            pairs.append(count_pairs(target, predicted))
        # Not in place: a tensor made in inference mode could not be changed outside of it.
        self._pairs = self._pairs.to(predicted.device) + torch.stack(pairs)
        self._images += 1

    def compute(self, class_names: Sequence[str] | None = None) -> SegmentationScores:
        """Add up the counts of all processes; every process must call it.

        Args:
            class_names: K names, for the table and the keys of the JSON.

        Returns:
            The result, the same on every process.

        Raises:
            ConfigError: There are not K names.
        """
        check_names(class_names, self.num_classes)
        images = torch.tensor([self._images], device=self._pairs.device)
        counts = sum_over_processes(torch.cat([images, self._pairs.flatten()])).numpy()
        pairs = counts[1:].reshape(self._pairs.shape)
        return SegmentationScores(
            confusion=pairs[0, : self.num_classes, : self.num_classes].copy(),
            boundary_pairs=pairs[1] if self.boundary else None,
            class_names=None if class_names is None else tuple(class_names),
            images=int(counts[0]),
        )


def check_names(class_names: Sequence[str] | None, num_classes: int) -> None:
    """Refuse names that are not one for each class.

    Raises:
        ConfigError: There are names, but not as many as classes.
    """
    if class_names is not None and len(class_names) != num_classes:
        raise ConfigError(
            f"{len(class_names)} class names for {num_classes} classes; give one for each, in the"
            " order of their indices."
        )
