"""What callbacks do with a depth, or a normal, for each pixel: measure, draw, write."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.callbacks.results.evaluated import Evaluated
from vision.draw import depth as depth_pictures
from vision.draw import normals as normals_pictures
from vision.metrics.depth import measure_depth
from vision.metrics.normals import THRESHOLDS
from vision.metrics.normals_maps import angles_of_maps
from vision.ops.depth_writing import usual_scale, write_depth
from vision.ops.normal_writing import write_normals

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Pair(NamedTuple):
    """An evaluated image.

    Attributes:
        place: Index in the dataset.
        path: Path of the image.
        found: Its prediction, `(H, W)` or `(3, H, W)`.
        target: What is right, of the same size.
    """

    place: int
    path: str
    found: Tensor
    target: Tensor

    @property
    def name(self) -> str:
        """Name of its file."""
        return PurePath(self.path).name


class DenseMaps(ABC):
    """What depends on the values of the pixels.

    Attributes:
        key: Their key in batches and predictions.
        error: The number by which images are ranked; the lowest is best.
        unit: Its unit, after a number.
        result: Attribute of the task that holds the result of an evaluation.
    """

    key: ClassVar[str]
    error: ClassVar[str]
    unit: ClassVar[str] = ""
    result: ClassVar[str]

    def pairs(self, evaluated: Evaluated) -> Iterator[Pair]:
        """The images of a batch."""
        batch, places = evaluated.batch, evaluated.places.tolist()
        for i, (one, place) in enumerate(zip(evaluated.predictions, places, strict=True)):
            found = one[self.key]
            height, width = found.shape[-2:]
            target = batch[self.key][i, ..., :height, :width]
            yield Pair(place, batch["path"][i], found, target)

    @abstractmethod
    def measure(self, pair: Pair, task: Any) -> dict[str, float] | None:
        """The numbers of an image, `pixels` first; None if none of its pixels counts."""

    @abstractmethod
    def color(self, values: Tensor) -> Tensor:
        """The picture of a map, uint8 `(3, H', W')` RGB."""

    @abstractmethod
    def write(self, file: Path, values: Tensor, task: Any) -> None:
        """Write a map as a PNG file that the suite evaluates."""

    @abstractmethod
    def figure(self, examples: Iterable[tuple[str, Mapping[str, Any], Tensor]]) -> "Figure":
        """A figure of examples: title, what the dataset gives, and prediction of each."""


class DepthMaps(DenseMaps):
    """Depth in metres."""

    key = "depth"
    error = "abs_rel"
    result = "depth_result"

    def measure(self, pair: Pair, task: Any) -> dict[str, float] | None:
        """The errors, as the task's evaluation measures them."""
        found, target = as_array(pair.found), as_array(pair.target)
        errors = measure_depth(found, target, task.evaluator.protocol)
        return None if errors is None else {"pixels": errors.pixels, **errors.values}

    def color(self, values: Tensor) -> Tensor:
        """The colours of the depth, with a scale in metres below."""
        return depth_pictures.draw_depth(values)

    def write(self, file: Path, values: Tensor, task: Any) -> None:
        """Write 16 bits, with the scale that holds the depths of the task."""
        write_depth(file, as_array(values), scale=usual_scale(task.max_depth))

    def figure(self, examples: Iterable[tuple[str, Mapping[str, Any], Tensor]]) -> "Figure":
        """A row each: image, ground truth, prediction, relative error."""
        return depth_pictures.draw_examples(
            depth_pictures.DepthExample(title, held["image"], found, held["depth"])
            for title, held, found in examples
        )


class NormalsMaps(DenseMaps):
    """Unit vectors."""

    key = "normals"
    error = "mean"
    unit = "°"
    result = "normals_result"

    def measure(self, pair: Pair, task: Any) -> dict[str, float] | None:
        """Angles in degrees, and shares of pixels below the published ones."""
        angles = angles_of_maps(pair.found, pair.target, where=pair.path)
        return angle_numbers(angles) if len(angles) else None

    def color(self, values: Tensor) -> Tensor:
        """The components as red, green and blue."""
        return normals_pictures.color_normals(values)

    def write(self, file: Path, values: Tensor, task: Any) -> None:
        """Write RGB of 16 bits."""
        write_normals(file, as_array(values.permute(1, 2, 0)))

    def figure(self, examples: Iterable[tuple[str, Mapping[str, Any], Tensor]]) -> "Figure":
        """A row each: image, ground truth, prediction, angle between them."""
        return normals_pictures.draw_examples(
            normals_pictures.NormalsExample(title, held["image"], found, held["normals"])
            for title, held, found in examples
        )


DEPTH, NORMALS = DepthMaps(), NormalsMaps()


def angle_numbers(angles: np.ndarray) -> dict[str, float]:
    """The numbers of one image.

    Args:
        angles: float64 `(V,)` in degrees, at least one.
    """
    shares = {f"below_{limit:g}": float((angles < limit).mean()) for limit in THRESHOLDS}
    root = float(np.sqrt((angles**2).mean()))
    middle = float(np.median(angles))
    return {
        "pixels": len(angles),
        "mean": float(angles.mean()),
        "median": middle,
        "rmse": root,
        **shares,
    }


def as_array(values: Tensor) -> np.ndarray:
    """Values as float32 of NumPy."""
    return values.detach().to(torch.float32).cpu().numpy()
