"""Records of a segmentor's evaluation, for its report."""

from collections.abc import Mapping
from functools import partial, reduce
from operator import add
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.segmentation_pictures import as_array, score_image
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.contracts.segmentation import IGNORED
from vision.metrics.calibration import Calibration
from vision.metrics.processes import gather_shares
from vision.metrics.segmentation_table import SegmentationScores

EXAMPLES = 6
# Images, spread evenly over the set, that are run once more for the probabilities of their pixels:
# the evaluation itself keeps only class indices.
MAX_SAMPLED = 200


class SegmentationRecord(NamedTuple):
    """The counts of pixels, and the score of each image.

    Attributes:
        result: Counts of all pixels.
        scored: All images, by index in the dataset.
        chosen: The best, the worst and random ones of them.
        masks: uint8 `(H, W)` class index of each pixel, of the chosen images, by index.
        calibration: Probabilities of pixels at the stride of the head.
        sampled: Number of images in the calibration.
    """

    result: SegmentationScores
    scored: list[Scored]
    chosen: dict[str, list[Scored]]
    masks: Mapping[int, np.ndarray]
    calibration: Calibration
    sampled: int


class SegmentationRecorder:
    """Scores each image, and keeps the masks of the best, the worst and some others."""

    def __init__(self) -> None:
        self._shelf = Shelf(EXAMPLES)
        self._calibration = Calibration.of(np.zeros(0), np.zeros(0, bool))
        self._sampled = 0
        self._every = 1

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Start with no images."""
        self.__init__()  # type: ignore[misc]
        self._every = max(1, -(-len(dataset) // MAX_SAMPLED)) if dataset is not None else 1

    def take(self, task: Any, evaluated: Evaluated) -> None:
        """Score the images of a batch, and run the sampled ones once more."""
        batch, places = evaluated.batch, evaluated.places.tolist()
        for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
            found = one["mask"]
            height, width = found.shape
            target = batch["mask"][i, :height, :width]
            name = PurePath(batch["path"][i]).name
            scored = score_image(found, target, place=place, name=name)
            self._shelf.add(scored, partial(as_array, found))
            if place % self._every == 0:
                rows, columns = batch["size"][i].tolist()
                image = batch["image"][i : i + 1, :, :rows, :columns]
                self._calibration += calibrate_pixels(task, image, target)
                self._sampled += 1

    def finish(self, trainer: Trainer, task: Any) -> SegmentationRecord:
        """The images of all processes."""
        shown = gather_examples(self._shelf, EXAMPLES)
        record = SegmentationRecord(
            result=task.segmentation_result,
            scored=shown.scored,
            chosen=shown.chosen,
            masks=shown.arrays,
            calibration=reduce(add, gather_shares(self._calibration)),
            sampled=sum(gather_shares(self._sampled)),
        )
        self._shelf = Shelf(EXAMPLES)
        return record


def calibrate_pixels(task: Any, image: Tensor, target: Tensor) -> Calibration:
    """Calibration of the pixel probabilities of an image.

    Args:
        task: A segmentor with `backbone`, `neck` and `head`.
        image: float `(1, 3, H, W)`, normalised, without padding.
        target: Integers `(h, w)` class index or `IGNORED`, in the size of the file.

    Returns:
        Calibration over the cells of the head's map, each with the class at its centre; ignored
        cells are skipped.
    """
    logits = task.head(task.neck(task.backbone(image)))["logits"][0].float()
    confidence, predicted = logits.softmax(dim=0).max(dim=0)
    places = [
        ((torch.arange(few, device=target.device) + 0.5) * many / few).long()
        for few, many in zip(confidence.shape, target.shape, strict=True)
    ]
    true = target[places[0][:, None], places[1][None]].to(predicted.device)
    counted = true != IGNORED
    right = predicted[counted] == true[counted]
    sure = confidence[counted].double().clamp(0, 1)
    return Calibration.of(sure.cpu().numpy(), right.cpu().numpy())
