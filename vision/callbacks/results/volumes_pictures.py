"""Pictures of predicted volumes: the best, the worst and random validation subjects."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.example_pictures import ExamplePictures
from vision.callbacks.results.shelf import Examples, Shelf
from vision.callbacks.results.volumes_images import load_example, masks_to_draw, shelve
from vision.draw.volumes import draw_pair
from vision.draw.volumes_examples import draw_examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class VolumePictures(ExamplePictures):
    """Draws validation subjects, ground truth above prediction, without running the model again.

    `examples.png` has the best, the worst and some random subjects: three planes through the
    largest true region, with the outlines of the regions or classes, on the first modality. They
    are scored by the mean Dice of the regions that they have. The random subjects are the first
    ones, in an order that is the same every time, that are not among the best or worst.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process keeps only the
    masks that may be drawn, `5 * examples`, without the background around them.

    Args:
        folder: Where the file is written; created if absent.
        examples: Number of subjects of each kind.
    """

    key = "mask"

    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Score subjects by their Dice."""
        shelve(shelf, task, evaluated)

    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw each subject."""
        return draw_examples(_pictures(task, dataset, shown))


def _pictures(task: Any, dataset: Any, shown: Examples) -> Iterator[tuple[str, Tensor]]:
    regions = task.regions
    names = [*regions] if regions else ["background", *task.evaluator.names]
    for kind, subjects in shown.chosen.items():
        for number, one in enumerate(subjects, start=1):
            stored = load_example(dataset, one.place)
            found = shown.arrays[one.place].whole()
            truth, predicted = (masks_to_draw(mask, regions) for mask in (stored["mask"], found))
            picture = draw_pair(stored["volume"], truth, predicted, stored["affine"], names=names)
            yield f"{kind} {number} · Dice {one.score:.2f} · {one.name}", picture
