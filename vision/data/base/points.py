"""The base of the datamodules for the segmentation of clouds of points."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from torch.utils.data import Dataset

from vision.data.base.classes import ClassData
from vision.data.base.images import ImageBatches, ImageLoading
from vision.data.base.point_samples import PointSamples
from vision.data.base.splits import Split, SplitData
from vision.data.check.point_facts import PointFacts, read_some, unique_rooms
from vision.data.check.same_images import ImageSource
from vision.data.classes.point_labels import PointLabels
from vision.data.files.finding import PathList
from vision.data.formats.cloud_values import FULL
from vision.data.formats.rooms import RoomFiles, RoomForm
from vision.data.index.points import PointIndex
from vision.data.loading.collate_points import collate_points
from vision.data.transforms.rooms import (
    DEFAULT_VOXEL_SIZE,
    PointEvalTransform,
    PointTrainTransform,
    PointTransform,
)
from vision.data.transforms.rooms_options import PointAugment
from vision.errors import DataError
from vision.keywords import Unpack

__all__ = ["DEFAULT_AUGMENT", "PointData", "PointOptions"]

DEFAULT_AUGMENT = PointAugment()


class PointOptions(ImageBatches, total=False):
    """Keywords that datasets pass on to `PointData`."""

    augment: PointAugment
    voxel_size: float
    unit_m: float
    full_color: float


class PointData(ClassData, SplitData[PointIndex]):
    """A dataset of clouds of points, such as rooms, with a class for each point.

    A subclass lists the files of the rooms and names the classes. When a split is first used, a few
    rooms are read, and what they hold is logged.

    Args:
        augment: Options of the augmentation.
        voxel_size: Side of a voxel in metres: the model gets one point for each voxel.
        unit_m: The unit of the coordinates in files, in metres: 0.001 for millimetres.
        full_color: The number that stands for full brightness where colours are stored as
            floating-point numbers, 255 or 1.
        batch_size: Rooms per batch and device.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    kind = "points"
    unit = "rooms"
    sizes = "--data.augment.max_voxels, --data.voxel_size"
    collate = staticmethod(collate_points)

    def __init__(
        self,
        *,
        augment: PointAugment = DEFAULT_AUGMENT,
        voxel_size: float = DEFAULT_VOXEL_SIZE,
        unit_m: float = 1.0,
        full_color: float = FULL,
        batch_size: int = 2,
        **loading: Unpack[ImageLoading],
    ) -> None:
        super().__init__(batch_size=batch_size, **loading)
        self.augment = augment
        self.voxel_size = voxel_size
        self.unit_m, self.full_color = unit_m, full_color
        PointEvalTransform(voxel_size=voxel_size)  # a wrong option, at once
        RoomForm(labels=None, unit_m=unit_m, full_color=full_color)

    @property
    @abstractmethod
    def labels(self) -> PointLabels:
        """Names and values of the classes."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class."""
        return self.labels.names

    @property
    def form(self) -> RoomForm:
        """How files are meant."""
        return RoomForm(labels=self.labels, unit_m=self.unit_m, full_color=self.full_color)

    @abstractmethod
    def find_rooms(self, split: Split) -> Sequence[RoomFiles]:
        """The files of the rooms of a split.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """

    def has_labels(self, split: Split) -> bool:
        """Whether the rooms of a split have labels."""
        return split != "predict"

    @cached_property
    def train_transform(self) -> PointTrainTransform:
        """Augments the points, and takes one of each voxel."""
        return PointTrainTransform(self.augment, voxel_size=self.voxel_size)

    @cached_property
    def eval_transform(self) -> PointEvalTransform:
        """Takes one point of each voxel."""
        return PointEvalTransform(
            voxel_size=self.voxel_size, unit_m=self.unit_m, full_color=self.full_color
        )

    def read_index(self, split: Split) -> PointIndex:
        """Find the files of a split.

        Raises:
            DataError: Files are absent or not in the expected layout, or there are none.
        """
        rooms = self.find_rooms(split)
        if not rooms:
            raise DataError(f"the {split} split has no rooms. {self.expected}")
        labels = [room.labels for room in rooms if room.labels is not None]
        return PointIndex(
            rooms=PathList(room.name for room in rooms),
            points=PathList(room.points for room in rooms),
            labels=PathList(labels) if labels else None,
            has_targets=self.has_labels(split),
        )

    def make_samples(
        self, index: PointIndex, transform: PointTransform, *, targets: bool = True
    ) -> PointSamples:
        """The samples of a split, with or without labels.

        Raises:
            DataError: There are no labels.
        """
        return PointSamples(index, transform, form=self.form, targets=targets)

    def scan(self, split: Split) -> None:
        """Read a few rooms of a split, and log what they hold.

        Raises:
            DataError: They do not fit.
        """
        facts = PointFacts(self.form, self.voxel_size, self.class_names)
        read_some(self.index(split), facts, split, skip=self.bad_images.maximum > 0)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The points and labels of every split that was read."""
        indices = {str(split): index for split, index in self._indices.items()}
        return unique_rooms(indices, self.form, self.voxel_size, self.class_names)

    def image_sources(self) -> Iterator[ImageSource]:
        """The files of every split that was read and has labels; folders are left out."""
        for source in super().image_sources():
            files = [path for path in source.paths if not os.path.isdir(path)]
            yield ImageSource(source.split, files)
