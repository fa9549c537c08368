"""Pictures of predicted segments: the best, the worst and random validation images."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.example_pictures import ExamplePictures
from vision.callbacks.results.panoptic_images import compare_images, make_example, shelve
from vision.callbacks.results.shelf import Examples, Shelf
from vision.draw.panoptic import PanopticExample, Segmented, draw_examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PanopticPictures(ExamplePictures):
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

    key = "segments"

    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Score images by their panoptic quality."""
        for compared in compare_images(evaluated):
            shelve(shelf, compared)

    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw a row each."""
        names = task.class_names or [str(label) for label in range(task.num_classes)]
        palette = getattr(getattr(trainer, "datamodule", None), "palette", None)
        return draw_examples(_load_examples(dataset, shown), names, palette)


def _load_examples(dataset: Any, shown: Examples) -> Iterator[PanopticExample]:
    for kind, images in shown.chosen.items():
        for number, image in enumerate(images, start=1):
            title = f"{kind} {number} · PQ {image.score:.2f} · {image.name}"
            original, mask, segments = dataset.example(image.place)
            target = Segmented(mask, segments)
            yield make_example(title, original, shown.arrays[image.place], target)
