"""Base class of callbacks that write the masks of a validation, and overlays of some of them."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.callbacks.results.map_results import MapResults


class OverlayResults(MapResults):
    """Writes a mask and, for some images, the image with its mask, in `validate` only.

    Overlays need a validation set with `example(i)`, as `vision.data`'s have.

    Args:
        folder: As in `MapResults`.
        files: As in `MapResults`.
        pictures: As in `MapResults`.
    """

    pictures_name = "overlays"

    @abstractmethod
    def overlay(self, writer: Any, image: Tensor, prediction: Any) -> Tensor:
        """The picture of an image, uint8 `(3, H, W)`."""

    def has_maps(self, evaluated: Evaluated) -> bool:
        """Whether the predictions are masks."""
        return "mask" in evaluated.predictions[0]

    def draw(self, writer: Any, dataset: Any, place: int, prediction: Any) -> Tensor:
        """The image of the set with its mask."""
        return self.overlay(writer, dataset.example(place)[0], prediction)

    def drawable(self, dataset: Any) -> int:
        """Number of images that the set can show."""
        return super().drawable(dataset) if hasattr(dataset, "example") else 0
