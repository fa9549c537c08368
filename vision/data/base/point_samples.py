"""Samples of a dataset of points."""

from typing import Any

import torch
from torch.utils.data import Dataset

from vision.contracts.points import PointSample
from vision.data.base.splits import require_targets
from vision.data.formats.rooms import RoomForm, files_of, read_room
from vision.data.index.points import PointIndex
from vision.data.transforms.clouds import Cloud
from vision.data.transforms.rooms import PointTransform, VoxelCloud
from vision.errors import DataError, ImageError


class PointSamples(Dataset[PointSample]):
    """Clouds of points with the class of each.

    Args:
        index: The rooms.
        transform: Takes a point of each voxel.
        form: How files are meant.
        targets: Whether samples have a `label`.

    Attributes:
        paths: File of the points of each room.

    Raises:
        DataError: `targets` is true, but the split has no labels.
    """

    def __init__(
        self,
        index: PointIndex,
        transform: PointTransform,
        *,
        form: RoomForm,
        targets: bool = True,
    ) -> None:
        if targets:
            require_targets(index, "labels")
        self.index = index
        self.paths = index.points
        self.transform = transform
        self.form = form if targets else form.without_labels()

    def __getitem__(self, place: int) -> PointSample:
        """The sample of a room, by its number in the index.

        Raises:
            ImageError: A file is absent or broken, or has wrong numbers.
        """
        path = self.paths[place]
        try:
            changed = self.transform.change(self._read(place), path)
        except DataError as error:
            raise ImageError(str(error)) from error
        return make_sample(changed, path=path, room=self.index.rooms[place])

    def example(self, place: int) -> dict[str, Any]:
        """A room as it is stored, for pictures.

        Returns:
            `points` float64 `(P, 3)` in metres, and where there are any `colors` uint8 `(P, 3)`,
            `normals` float32 `(P, 3)` and `label` int64 `(P,)`.

        Raises:
            ImageError: A file is absent or broken, or has wrong numbers.
        """
        cloud = self._read(place)
        parts = cloud._replace(points=cloud.points.astype("float64"))._asdict()
        return {key: torch.from_numpy(part) for key, part in parts.items() if part is not None}

    def __len__(self) -> int:
        return len(self.index)

    def _read(self, place: int) -> Cloud:
        try:
            return read_room(files_of(self.index, place), self.form)
        except DataError as error:
            raise ImageError(str(error)) from error


def make_sample(cloud: VoxelCloud, *, path: str, room: str) -> PointSample:
    """The sample of a cloud that a transform has changed.

    Args:
        cloud: The cloud.
        path: Where it comes from.
        room: Its name.
    """
    sample: PointSample = {
        "coords": cloud.coords,
        "colors": cloud.colors,
        "path": path,
        "room": room,
    }
    if cloud.normals is not None:
        sample["normals"] = cloud.normals
    if cloud.label is not None:
        sample["label"] = cloud.label
    if cloud.voxel_of is not None:
        sample["voxel_of"] = cloud.voxel_of
    return sample
