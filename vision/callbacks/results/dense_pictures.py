"""Pictures of predicted depth and normals: the best, the worst and random validation images."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from vision.callbacks.results.dense_maps import DEPTH, NORMALS, DenseMaps, Pair, as_array
from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.example_pictures import ExamplePictures
from vision.callbacks.results.examples import Scored
from vision.callbacks.results.shelf import Examples, Shelf

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class DensePictures(ExamplePictures):
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

    @property
    def key(self) -> str:
        """Key of the maps."""
        return self.maps.key

    def score(self, shelf: Shelf, task: Any, evaluated: Evaluated) -> None:
        """Score images by their errors."""
        for pair in self.maps.pairs(evaluated):
            shelve(shelf, pair, self.maps.measure(pair, task), self.maps)

    def figure(self, trainer: Trainer, task: Any, dataset: Any, shown: Examples) -> "Figure":
        """Draw a row each."""
        return self.maps.figure(self._load(dataset, shown))

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
