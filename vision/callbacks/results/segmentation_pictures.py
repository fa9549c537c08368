"""Pictures of predicted masks: the best, the worst and random validation images."""

import heapq
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated, gather
from vision.callbacks.results.label_maps import data_palette
from vision.contracts.segmentation import IGNORED
from vision.decoration import Decoration
from vision.draw.figure import save_png
from vision.draw.segmentation import SegmentationExample, draw_examples
from vision.metrics.confusion import as_labels, count_pairs
from vision.metrics.segmentation import SegmentationScores

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class Scored(NamedTuple):
    """A validation image: its mIoU in [0, 1], index in the dataset, and name."""

    iou: float
    place: int
    name: str


class SegmentationPictures(BestValidation):
    """Draws validation images, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random images, a row for each: the image,
    ground truth, prediction, and errors. They are scored by the mean IoU of the classes that are in
    the image or its prediction. The random images are the first ones, in an order that is
    the same every time, that are not among the best or worst.

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
            iou = image_iou(found, batch["mask"][i, :height, :width])
            self._shelf.add(Scored(iou, place, PurePath(batch["path"][i]).name), found)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process, from the images of all."""
        # Collective calls: every process makes them.
        scored = [one for share in gather(trainer, self._shelf.scored) for one in share]
        chosen = choose_images(scored, self.examples)
        places = {image.place for images in chosen.values() for image in images}
        held = {place: self._shelf.masks[place] for place in places & {*self._shelf.masks}}
        masks = {place: mask for share in gather(trainer, held) for place, mask in share.items()}
        self._shelf = Shelf(0)
        dataset = _examples_of(trainer)
        if not trainer.is_global_zero or not places or dataset is None:
            return
        data = getattr(trainer, "datamodule", None)
        names = getattr(pl_module, "class_names", None) or getattr(data, "class_names", None)
        with self._guard:
            figure = draw_examples(
                _load_examples(dataset, chosen, masks),
                names or [str(label) for label in range(IGNORED)],
                data_palette(data),
            )
            save_png(figure, self.folder / FILE_NAME)
            logger.info("Examples of the masks are drawn in %s.", self.folder / FILE_NAME)


class Shelf:
    """The scored images of one process in a validation, and the masks that may be drawn.

    Args:
        count: Number of images of each kind.

    Attributes:
        scored: All images.
        masks: uint8 `(H, W)` by index: the best, the worst and the first in random order, enough
            to include every image that is chosen over all processes.
    """

    def __init__(self, count: int) -> None:
        self.scored: list[Scored] = []
        self.masks: dict[int, np.ndarray] = {}
        # Of the random ones, the best and the worst may be up to two thirds.
        self._counts = {_best_first: count, _worst_first: count, _random_first: 3 * count}
        self._kept: dict[Callable[[Scored], tuple[float, int]], list[Scored]] = {}

    def add(self, image: Scored, mask: Tensor) -> None:
        """Add an image and its mask, integers `(H, W)`, unless all pixels are ignored."""
        if math.isnan(image.iou):
            return
        self.scored.append(image)
        for key, count in self._counts.items():
            self._kept[key] = heapq.nsmallest(count, [*self._kept.get(key, ()), image], key=key)
        wanted = {one.place for kept in self._kept.values() for one in kept}
        if image.place in wanted:
            self.masks[image.place] = mask.to(torch.uint8).cpu().numpy()
        for place in {*self.masks} - wanted:
            del self.masks[place]


def image_iou(predicted: Tensor, target: Tensor) -> float:
    """Mean IoU of the classes that are in one image or its prediction.

    Args:
        predicted: Integers `(H, W)`, class index of each pixel.
        target: Integers `(H, W)`, class index or `IGNORED`.

    Returns:
        In [0, 1]; NaN if all pixels are ignored.
    """
    predicted, target = as_labels(predicted, target)
    pairs = count_pairs(target, predicted)[:IGNORED, :IGNORED]
    return SegmentationScores(confusion=pairs.cpu().numpy()).mIoU


def choose_images(scored: Sequence[Scored], count: int) -> dict[str, list[Scored]]:
    """Choose the best, the worst and random images; none comes twice.

    Args:
        scored: All images.
        count: Number of images of each kind, fewer for small sets.

    Returns:
        By kind: `"best"` from the best down, `"worst"` from the worst up, and `"random"`.
    """
    rest = sorted(scored, key=_best_first)
    # A few images are divided among the kinds.
    best = rest[: min(count, -(-len(rest) // 3))]
    rest = sorted(rest[len(best) :], key=_worst_first)
    worst = rest[: min(count, -(-len(rest) // 2))]
    chosen = sorted(rest[len(worst) :], key=_random_first)[:count]
    return {"best": best, "worst": worst, "random": chosen}


def _best_first(image: Scored) -> tuple[float, int]:
    return -image.iou, image.place


def _worst_first(image: Scored) -> tuple[float, int]:
    return image.iou, image.place


def _random_first(image: Scored) -> tuple[float, int]:
    """A sort key that depends only on the index, so that the same images come first every time."""
    return float(np.random.default_rng(image.place).random()), image.place


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
            title = f"{kind} {number} · mIoU {image.iou:.2f} · {image.name}"
            found = torch.from_numpy(masks[image.place])
            yield SegmentationExample(title, original, found, target)
