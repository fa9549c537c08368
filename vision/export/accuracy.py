"""The accuracy of exported models, float and int8, by the metric of their task.

Every task that can be quantised has a row in `SCORES`: what makes a score, which takes in what a
model found in a batch of the validation set and gives the number in the end.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import Detections
from vision.errors import ConfigError, DataError
from vision.heads.detection.base import DetectionHead
from vision.metrics.coco.metric import CocoEvaluator
from vision.metrics.segmentation import SegmentationEvaluator

Outputs = Mapping[str, Tensor]
Run = Callable[[Tensor], Outputs]


class Score(ABC):
    """The metric of a task.

    Attributes:
        metric: Its name, as the task logs it.
        images: Number of images that were taken in.
    """

    metric: str

    def __init__(self) -> None:
        self.images = 0

    @abstractmethod
    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Take in what was found in the images of a batch."""

    @abstractmethod
    def value(self) -> float:
        """The metric of all that was taken in, a fraction; higher is better."""


class TopOne(Score):
    """The share of images whose highest score is that of their class."""

    metric = "top1"

    def __init__(self) -> None:
        super().__init__()
        self.right = 0

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Take in `scores` `(B, K)` for `label` `(B,)`."""
        self.right += int((outputs["scores"].argmax(dim=1) == batch["label"]).sum())
        self.images += len(batch["label"])

    def value(self) -> float:
        """The share."""
        return self.right / max(self.images, 1)


class AveragePrecision(Score):
    """COCO's average precision of boxes or, where the detector has them, of masks.

    Args:
        head: The detector's head, which takes what was found to the pixels of the files.
        ground_truth: Annotations in COCO's format, or their file.
        category_ids: Number of each class in the dataset, by label.
    """

    def __init__(
        self, head: DetectionHead, ground_truth: Mapping[str, Any] | Path, category_ids: Any
    ) -> None:
        super().__init__()
        self.head, self.ground_truth, self.category_ids = head, ground_truth, category_ids
        self.metric = "mask_AP" if head.has_masks else "box_AP"
        self.evaluator = CocoEvaluator(masks=head.has_masks)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Take in the `Detections` of images for `image_id` `(B,)`."""
        found = self.head.predict(cast(Detections, outputs), batch["size"], batch["original_size"])
        self.evaluator.update(batch["image_id"], found)
        self.images += len(found)

    def value(self) -> float:
        """The average over the classes and over ten overlaps."""
        result = self.evaluator.compute(self.ground_truth, category_ids=self.category_ids)
        return result.scalars()[self.metric]


class MeanIoU(Score):
    """The mean over classes of intersection over union, in the pixels of the files.

    The classes of the pixels of the model's input are taken to those of the file by the nearest
    pixel, since exported models give classes and not logits.

    Args:
        num_classes: Number of classes.
    """

    metric = "mIoU"

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.evaluator = SegmentationEvaluator(num_classes, boundary=False)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Take in `labels` `(B, H, W)` for `mask` `(B, h, w)`."""
        for i, labels in enumerate(outputs["labels"]):
            height, width = batch["original_size"][i].tolist()
            found = F.interpolate(labels[None, None].float(), (height, width), mode="nearest-exact")
            target = batch["mask"][i, :height, :width]
            self.evaluator.update(found[0, 0].long(), target, where=batch["path"][i])
        self.images += len(outputs["labels"])

    def value(self) -> float:
        """The mean."""
        return self.evaluator.compute().mIoU


# What makes the metric of each task, from the task and its datamodule.
SCORES: dict[str, Callable[[Any, Any], Score]] = {
    "classification": lambda task, data: TopOne(),
    "detection": lambda task, data: AveragePrecision(
        task.head, data.ground_truth("val"), data.category_ids
    ),
    "segmentation": lambda task, data: MeanIoU(task.num_classes),
}


def find_score(kind: str) -> Callable[[Any, Any], Score]:
    """What makes the metric of a task, from the task and its datamodule.

    Raises:
        ConfigError: There is none.
    """
    if kind not in SCORES:
        raise ConfigError(
            f"int8 models of {kind} are not made, since their loss of accuracy could not be told. "
            f"Tasks that are: {', '.join(SCORES)}. Export in float: tools/export.py."
        )
    return SCORES[kind]


def alike(batch: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Split a batch into parts of images of one size, without the padding.

    Args:
        batch: A batch of the datamodule; without `size`, all images are as large as they look.

    Yields:
        The same keys for some of the images, those that the batch began with first.
    """
    images: Tensor = batch["image"]
    height, width = images.shape[2:]
    sizes: Sequence[list[int]] = (
        batch["size"].tolist() if "size" in batch else [[height, width]] * len(images)
    )
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, size in enumerate(sizes):
        groups.setdefault(tuple(size), []).append(place)
    for (rows, columns), places in groups.items():
        part = {key: _pick(value, places) for key, value in batch.items()}
        yield {**part, "image": images[places, :, :rows, :columns].contiguous()}


def _pick(value: Any, places: Sequence[int]) -> Any:
    if isinstance(value, Tensor):
        return value[list(places)]
    return [value[i] for i in places] if isinstance(value, list) else value


def measure_accuracy(
    runs: Mapping[str, Run],
    batches: Iterable[Mapping[str, Any]],
    *,
    score: Callable[[], Score],
    limit: int | None = None,
) -> tuple[dict[str, float], int]:
    """Run models on a validation set, all on the same images.

    Args:
        runs: By a name for each model, what it gives for images `(B, C, H, W)`, uint8.
        batches: Batches of the validation set.
        score: Makes the metric, for each model.
        limit: Number of images after which it ends; None for all.

    Returns:
        The metric of each model by name, a fraction, and the number of images.

    Raises:
        DataError: There are no images.
    """
    scores = {name: score() for name in runs}
    images = 0
    with torch.inference_mode():
        for part in _limited(batches, limit):
            for name, run in runs.items():
                scores[name].update(run(part["image"]), part)
            images += len(part["image"])
    if not images:
        raise DataError("the validation set has no images to measure the accuracy on.")
    return {name: one.value() for name, one in scores.items()}, images


def _limited(batches: Iterable[Mapping[str, Any]], limit: int | None) -> Iterator[dict[str, Any]]:
    """Parts of one size, `limit` images in all."""
    left = limit
    for batch in batches:
        for part in alike(batch):
            count = len(part["image"])
            if left is not None and count > left:
                part = {key: _pick(value, range(left)) for key, value in part.items()}
                count = left
            if not count:
                return
            yield part
            if left is not None:
                left -= count
                if not left:
                    return
