"""Pictures of predicted depth and normals: the best, the worst and random validation images."""

import logging
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.dense_maps import DEPTH, NORMALS, DenseMaps, Pair, as_array
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.shelf import Examples, Shelf, gather_examples
from vision.decoration import Decoration
from vision.draw.figure import save_png

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class DensePictures(BestValidation):
    """Draws validation images, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random images, a row for each: the image,
    ground truth, prediction, and errors. The random images are the first ones, in an order that is
    the same every time, that are not among the best or worst.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process keeps only the
    maps that may be drawn, `5 * examples`.

    Args:
        folder: Where the file is written; created if absent.
        examples: Number of images of each kind.
    """

    maps: ClassVar[DenseMaps]

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
        if _examples_of(trainer) is None or not {"index", self.maps.key} <= {*evaluated.batch}:
            return
        with self._guard:
            for pair in self.maps.pairs(evaluated):
                shelve(self._shelf, pair, self.maps.measure(pair, task), self.maps)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process, from the images of all."""
        # A collective call: every process makes it.
        shown = gather_examples(trainer, self._shelf, self.examples)
        self._shelf = Shelf(0)
        dataset = _examples_of(trainer)
        file = results_folder(trainer, self.folder) / FILE_NAME
        if not trainer.is_global_zero or not shown.arrays or dataset is None:
            return
        with self._guard:
            save_png(self.maps.figure(self._load(dataset, shown)), file)
            logger.info("Examples of the %s are drawn in %s.", self.maps.key, file)

    def _load(
        self, dataset: Any, shown: Examples
    ) -> Iterator[tuple[str, Mapping[str, Any], Tensor]]:
        for kind, images in shown.chosen.items():
            for number, image in enumerate(images, start=1):
                found = torch.from_numpy(shown.arrays[image.place])
                title = f"{kind} {number} · {error_text(image, self.maps)} · {image.name}"
                yield title, dataset.example(image.place), found


class DepthPictures(DensePictures):
    """The pictures of depth; images are ranked by their mean relative error.

    Args:
        folder: As in `DensePictures`.
        examples: As in `DensePictures`.
    """

    maps = DEPTH


class NormalsPictures(DensePictures):
    """The pictures of normals; images are ranked by their mean angle.

    Args:
        folder: As in `DensePictures`.
        examples: As in `DensePictures`.
    """

    maps = NORMALS


def shelve(shelf: Shelf, pair: Pair, numbers: Mapping[str, float] | None, maps: DenseMaps) -> None:
    """Put an image on a shelf, unless none of its pixels counts.

    Args:
        shelf: The shelf.
        pair: The image.
        numbers: Its numbers.
        maps: What its values are.
    """
    if numbers is not None:
        # Higher is better.
        scored = Scored(pair.place, -numbers[maps.error], 1, pair.name)
        shelf.add(scored, partial(as_array, pair.found))


def error_text(image: Scored, maps: DenseMaps) -> str:
    """The error of an image in words."""
    return f"{maps.error} {-image.score:.3f}{maps.unit}"


def _examples_of(trainer: Trainer) -> Any:
    """The validation set, if it has `example(i)`."""
    dataset = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
    return dataset if hasattr(dataset, "example") else None
