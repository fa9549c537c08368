"""The images of a split with their cameras and their boxes in space, in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
import torch

from vision.contracts.detection3d import Boxes3DTruth
from vision.data.files.mapped_arrays import PickledByPath
from vision.data.images.read import EncodedImage, read_file
from vision.data.index.masked_files import take_paths
from vision.data.index.pieces import take_pieces
from vision.errors import DataError


class SceneObjects(NamedTuple):
    """The N annotated objects of an image, in the order of its annotations.

    Attributes:
        boxes3d: float64 `(N, 7)` in the frame `CAMERA`.
        boxes: float64 `(N, 4)`, `(x1, y1, x2, y2)` in pixels of the image.
        labels: int64 `(N,)` class index; `OTHER` for what is not learned.
        truncation: float64 `(N,)` share outside the image; -1 if unknown.
        occlusion: int64 `(N,)`, as in `Boxes3DTruth`.
    """

    boxes3d: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    truncation: np.ndarray
    occlusion: np.ndarray

    def take(self, chosen: np.ndarray) -> "SceneObjects":
        """Those at some places, or that a mask chooses."""
        return SceneObjects(*(column[chosen] for column in self))


@dataclass(kw_only=True, eq=False)
class Boxes3DTable(PickledByPath):
    """The S objects of N images, grouped by image, in the order of their annotations.

    Everything is an array, which forked workers share.

    Attributes:
        starts: int64 `(N + 1,)`: the objects of image i are `starts[i]` to `starts[i + 1] - 1`.
        names: int32 `(S,)`, index in the names of the dataset.
        boxes3d: float64 `(S, 7)` in the frame `CAMERA`.
        boxes: float64 `(S, 4)`, `(x1, y1, x2, y2)` in pixels.
        alpha: float64 `(S,)` observation angle in radians.
        truncation: float64 `(S,)`, as in `Boxes3DTruth`.
        occlusion: int64 `(S,)`, likewise.
        velocity: float64 `(S, 2)`, likewise; None where the dataset has none.
    """

    starts: np.ndarray
    names: np.ndarray
    boxes3d: np.ndarray
    boxes: np.ndarray
    alpha: np.ndarray
    truncation: np.ndarray
    occlusion: np.ndarray
    velocity: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, place: int) -> slice:
        """The rows of an image, by its index in the split."""
        return slice(*self.starts[place : place + 2].tolist())

    def take(self, chosen: np.ndarray) -> "Boxes3DTable":
        """The objects of the images at some indices, int64 `(n,)`, as a table of their own."""
        starts, rows = take_pieces(self.starts, chosen)
        return Boxes3DTable(
            starts=starts,
            names=self.names[rows],
            boxes3d=self.boxes3d[rows],
            boxes=self.boxes[rows],
            alpha=self.alpha[rows],
            truncation=self.truncation[rows],
            occlusion=self.occlusion[rows],
            velocity=None if self.velocity is None else self.velocity[rows],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes3DIndex:
    """The images of a split.

    Attributes:
        images: Path of each image.
        cameras: float64 `(N, 3, 4)`, the projection to each.
        object_names: What the dataset calls its sorts of objects.
        labels: int64 `(len(object_names),)`, class index of each; `OTHER` for none.
        objects: The objects of all images; None if they are not known.

    Raises:
        DataError: The numbers of images, cameras and lists of objects differ.
    """

    images: Sequence[str]
    cameras: np.ndarray
    object_names: tuple[str, ...] = ()
    labels: np.ndarray
    objects: Boxes3DTable | None = None
    # What a sample is called, in the plural.
    unit: ClassVar[str] = "images"

    def __post_init__(self) -> None:
        counts = [len(self.images), len(self.cameras)]
        counts += [] if self.objects is None else [len(self.objects)]
        if len({*counts}) > 1:
            raise DataError(f"numbers of images, cameras and lists of objects differ: {counts}.")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_targets(self) -> bool:
        """Whether objects are known."""
        return self.objects is not None

    def image(self, place: int) -> EncodedImage:
        """The bytes of an image, by its index in the split.

        Raises:
            ImageError: The file is absent or cannot be read.
        """
        return read_file(self.images[place])

    def scene(self, place: int | None = None) -> SceneObjects:
        """The objects of an image, or of all.

        Raises:
            DataError: They are not known.
        """
        table = self._table()
        rows = slice(None) if place is None else table.of(place)
        return SceneObjects(
            boxes3d=table.boxes3d[rows],
            boxes=table.boxes[rows],
            labels=self.labels[table.names[rows]],
            truncation=table.truncation[rows],
            occlusion=table.occlusion[rows],
        )

    def truth(self, place: int) -> Boxes3DTruth:
        """All that is annotated in an image, by its index in the split.

        Raises:
            DataError: It is not known.
        """
        table = self._table()
        rows = table.of(place)
        names = table.names[rows]
        truth: Boxes3DTruth = {
            "boxes3d": _floats(table.boxes3d[rows]),
            "boxes": _floats(table.boxes[rows]),
            "alpha": _floats(table.alpha[rows]),
            "labels": torch.from_numpy(self.labels[names]),
            "names": [self.object_names[name] for name in names.tolist()],
            "truncation": _floats(table.truncation[rows]),
            "occlusion": torch.from_numpy(table.occlusion[rows].astype(np.int64)),
        }
        if table.velocity is not None:
            truth["velocity"] = _floats(table.velocity[rows])
        return truth

    def take(self, chosen: np.ndarray) -> "Boxes3DIndex":
        """The images at some indices, int64 `(n,)`, as an index of their own."""
        return replace(
            self,
            images=take_paths(self.images, chosen),
            cameras=self.cameras[chosen],
            objects=None if self.objects is None else self.objects.take(chosen),
        )

    def _table(self) -> Boxes3DTable:
        if self.objects is None:
            raise DataError("the objects of these images are not known.")
        return self.objects


def _floats(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32))
