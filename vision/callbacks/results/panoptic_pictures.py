"""Pictures of predicted segments: the best, the worst and random validation images."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from vision.callbacks.results.best_validation import BestValidation
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.panoptic_images import compare_images, make_example, shelve
from vision.callbacks.results.part_of_set import results_folder
from vision.callbacks.results.shelf import Examples, Shelf, gather_examples
from vision.decoration import Decoration
from vision.draw.figure import save_png
from vision.draw.panoptic import PanopticExample, Segmented, draw_examples

logger = logging.getLogger(__name__)

FILE_NAME = "examples.png"


class PanopticPictures(BestValidation):
    """Draws validation images, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random images, a row for each: the image,
    ground truth, prediction, and the segments without a match. They are scored by the panoptic
    quality over the segments of the image, of all classes together. The random images are the first
    ones, in an order that is the same every time, that are not among the best or worst.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process
    keeps only the segments that may be drawn, `5 * examples`.

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
        if _examples_of(trainer) is None or not {"index", "segments"} <= {*evaluated.batch}:
            return
        with self._guard:
            for compared in compare_images(evaluated):
                shelve(self._shelf, compared)

    def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, on the first process, from the images of all."""
        # A collective call: every process makes it.
        shown = gather_examples(trainer, self._shelf, self.examples)
        self._shelf = Shelf(0)
        dataset = _examples_of(trainer)
        file = results_folder(trainer, self.folder) / FILE_NAME
        if not trainer.is_global_zero or not shown.arrays or dataset is None:
            return
        task: Any = pl_module
        names = task.class_names or [str(label) for label in range(task.num_classes)]
        palette = getattr(getattr(trainer, "datamodule", None), "palette", None)
        with self._guard:
            save_png(draw_examples(_load_examples(dataset, shown), names, palette), file)
            logger.info("Examples of the segments are drawn in %s.", file)


def _examples_of(trainer: Trainer) -> Any:
    """The validation set, if it has `example(i)`."""
    dataset = getattr(getattr(trainer, "datamodule", None), "val_dataset", None)
    return dataset if hasattr(dataset, "example") else None


def _load_examples(dataset: Any, shown: Examples) -> Iterator[PanopticExample]:
    for kind, images in shown.chosen.items():
        for number, image in enumerate(images, start=1):
            title = f"{kind} {number} · PQ {image.score:.2f} · {image.name}"
            original, mask, segments = dataset.example(image.place)
            target = Segmented(mask, segments)
            yield make_example(title, original, shown.arrays[image.place], target)
