"""Pictures of predicted masks: the best, the worst and random validation images."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.label_maps import data_palette
from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.shelf import Shelf, gather_examples
from vision.contracts.segmentation import IGNORED
from vision.decoration import Decoration
from vision.draw.figure import save_png
from vision.draw.segmentation import SegmentationExample, draw_examples
from vision.metrics.confusion import as_labels, count_pairs
from vision.metrics.segmentation import SegmentationScores

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class SegmentationPictures(BestValidation):
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

    def __init__(self, folder: Path | str, *, examples: int = 2) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.examples = examples
        self._shelf = Shelf(0)
        self._guard = Decoration(f"the picture {self.folder / FILE_NAME}")

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no images."""
        self._shelf = Shelf(self.examples)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Score the images of a batch."""
        if _examples_of(trainer) is not None and {"index", "mask"} <= {*evaluated.batch}:
            with self._guard:
                self._judge(evaluated)

    def _judge(self, evaluated: Evaluated) -> None:
        batch, places = evaluated.batch, evaluated.places.tolist()
        for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
            found = one["mask"]
            height, width = found.shape
            target = batch["mask"][i, :height, :width]
            name = PurePath(batch["path"][i]).name
            scored = score_image(found, target, place=place, name=name)
            self._shelf.add(scored, partial(as_array, found))

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process, from the images of all."""
        # A collective call: every process makes it.
        shown = gather_examples(trainer, self._shelf, self.examples)
        self._shelf = Shelf(0)
        dataset = _examples_of(trainer)
        file = results_folder(trainer, self.folder) / FILE_NAME
        if not trainer.is_global_zero or not shown.arrays or dataset is None:
            return
        data = getattr(trainer, "datamodule", None)
        names = getattr(pl_module, "class_names", None) or getattr(data, "class_names", None)
        with self._guard:
            figure = draw_examples(
                _load_examples(dataset, shown.chosen, shown.arrays),
                names or [str(label) for label in range(IGNORED)],
                data_palette(data),
            )
            save_png(figure, file)
            logger.info("Examples of the masks are drawn in %s.", file)


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


def _examples_of(trainer: Trainer) -> Any:
    """The validation set, if it has `example(i)`."""
    dataset = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
    return dataset if hasattr(dataset, "example") else None


def _load_examples(
    dataset: Any, chosen: Mapping[str, Sequence[Scored]], masks: Mapping[int, np.ndarray]
) -> Iterator[SegmentationExample]:
    for kind, images in chosen.items():
        for number, image in enumerate(images, start=1):
            original, target = dataset.example(image.place)
            title = f"{kind} {number} · mIoU {image.score:.2f} · {image.name}"
            found = torch.from_numpy(masks[image.place])
            yield SegmentationExample(title, original, found, target)
