"""Pictures of predicted rooms: the best, the worst and random validation rooms."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch import Trainer
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.example_pictures import ExamplePictures
from vision.callbacks.results.points_images import load_room, shelve
from vision.callbacks.results.shelf import Examples, Shelf
from vision.draw.points import draw_comparison
from vision.draw.volumes_examples import draw_examples

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 360  # pixels of a view


class PointPictures(ExamplePictures):
    """Draws validation rooms, ground truth beside prediction, without running the model again.

    `examples.png` has the best, the worst and some random rooms: the points in their colours, in
    those of their true and of their predicted classes, and the wrong ones in red. They are scored
    by the mean IoU of the classes that are in the room or its prediction.

    The task returns `{"predictions": [...]}` from its `validation_step`, and the validation set has
    `example(i)`, as `vision.data`'s have; with others nothing is drawn. A process keeps only the
    classes that may be drawn, `5 * examples`, a byte per point.

    Args:
        folder: Where the file is written; created if absent.
        examples: Number of rooms of each kind.
    """

    key = "label"

    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Score rooms by their mean IoU."""
        shelve(shelf, evaluated)

    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw each room."""
        return draw_examples(_pictures(task, dataset, shown))


def _pictures(task: Any, dataset: Any, shown: Examples) -> Iterator[tuple[str, Tensor]]:
    palette = None if task.palette is None else np.array(task.palette, np.uint8)
    names = task.class_names or ()
    for kind, rooms in shown.chosen.items():
        for number, one in enumerate(rooms, start=1):
            room = load_room(dataset, one.place, shown.arrays[one.place])
            picture = draw_comparison(*room, names=names, palette=palette, side=SIDE)
            yield f"{kind} {number} · mIoU {one.score:.2f} · {one.name}", picture
