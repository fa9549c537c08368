"""Base class of callbacks that draw the best, the worst and random images of a validation."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.shelf import Examples, Shelf, gather_examples
from vision.decoration import Decoration
from vision.draw.figure import save_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class ExamplePictures(BestValidation):
    """Draws validation images, ground truth beside prediction, without running the model again.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process keeps only the
    predictions that may be drawn, `5 * examples`.

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

    @property
    @abstractmethod
    def key(self) -> str:
        """Key of the ground truth in a batch."""

    @abstractmethod
    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Put the images of a batch on a shelf, each with its score."""

    @abstractmethod
    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw images, of a validation set that has `example(i)`."""

    def begin(self, trainer: Trainer, task: Any, dataset: Any) -> None:
        """Begin with no images."""
        self._shelf = Shelf(self.examples)

    def take(self, trainer: Trainer, task: Any, evaluated: Evaluated) -> None:
        """Score the images of a batch."""
        if _examples_of(trainer) is not None and {"index", self.key} <= {*evaluated.batch}:
            with self._guard:
                self.score(self._shelf, task, evaluated)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process, from the images of all."""
        # A collective call: every process makes it.
        shown = gather_examples(self._shelf, self.examples)
        self._shelf = Shelf(0)
        dataset = _examples_of(trainer)
        file = results_folder(trainer, self.folder) / FILE_NAME
        if not trainer.is_global_zero or not shown.arrays or dataset is None:
            return
        with self._guard:
            save_png(self.figure(trainer, pl_module, dataset, shown), file)
            logger.info("Examples are drawn in %s.", file)


def _examples_of(trainer: Trainer) -> Any:
    """The validation set, if it has `example(i)`."""
    dataset = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
    return dataset if hasattr(dataset, "example") else None
