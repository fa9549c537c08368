"""Pictures of predicted masks: the best, the worst and random validation images."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.example_pictures import ExamplePictures
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.label_maps import data_palette
from vision.callbacks.results.shelf import Examples, Shelf
from vision.contracts.segmentation import IGNORED
from vision.draw.segmentation import SegmentationExample, draw_examples
from vision.metrics.confusion import as_labels, count_pairs
from vision.metrics.segmentation import SegmentationScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SegmentationPictures(ExamplePictures):
    """Draws validation images, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random images, a row for each: the image,
    ground truth, prediction, and errors. They are scored by the mean IoU of the classes that are in
    the image or its prediction; images of a single class are never the best or the worst. The
    random images are the first ones, in an order that is the same every time, that are not among
    the best or worst.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process
    keeps only the masks that may be drawn, `5 * examples`.

    Args:
        folder: Where the file is written; created if absent.
        examples: Number of images of each kind.
    """

    key = "mask"

    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Score images by their mean IoU."""
        batch, places = evaluated.batch, evaluated.places.tolist()
        for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
            found = one["mask"]
            height, width = found.shape
            target = batch["mask"][i, :height, :width]
            name = PurePath(batch["path"][i]).name
            scored = score_image(found, target, place=place, name=name)
            shelf.add(scored, partial(as_array, found))

    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw a row each."""
        data = getattr(trainer, "datamodule", None)
        names = getattr(task, "class_names", None) or getattr(data, "class_names", None)
        return draw_examples(
            _load_examples(dataset, shown.chosen, shown.arrays),
            names or [str(label) for label in range(IGNORED)],
            data_palette(data),
        )


def as_array(mask: Tensor) -> np.ndarray:
    """A mask, integers `(H, W)`, as uint8 of NumPy, to be kept."""
    return mask.to(torch.uint8).cpu().numpy()


def image_iou(predicted: Tensor, target: Tensor) -> float:
    """Mean IoU of the classes that are in one image or its prediction.

    Args:
        predicted: Integers `(H, W)`, class index of each pixel.
        target: Integers `(H, W)`, class index or `IGNORED`.

    Returns:
        In [0, 1]; NaN if all pixels are ignored.
    """
    return score_image(predicted, target).score


def score_image(predicted: Tensor, target: Tensor, *, place: int = 0, name: str = "") -> Scored:
    """Score an image by the mean IoU of the classes that are in it or its prediction.

    Args:
        predicted: Integers `(H, W)`, class index of each pixel.
        target: Integers `(H, W)`, class index or `IGNORED`.
        place: Index in the dataset.
        name: Name of the file.

    Returns:
        The image; its score is NaN if all pixels are ignored, and its objects are its classes
        beyond the first: a scene without objects has one class.
    """
    predicted, target = as_labels(predicted, target)
    pairs = count_pairs(target, predicted)[:IGNORED, :IGNORED].cpu().numpy()
    classes = int((pairs.sum(axis=1) > 0).sum())
    iou = SegmentationScores(confusion=pairs).mIoU
    return Scored(place, iou, max(classes - 1, 0), name)


def _load_examples(
    dataset: Any, chosen: Mapping[str, Sequence[Scored]], masks: Mapping[int, np.ndarray]
) -> Iterator[SegmentationExample]:
    for kind, images in chosen.items():
        for number, image in enumerate(images, start=1):
            original, target = dataset.example(image.place)
            title = f"{kind} {number} · mIoU {image.score:.2f} · {image.name}"
            found = torch.from_numpy(masks[image.place])
            yield SegmentationExample(title, original, found, target)
