"""The files of a room of points, read as one cloud with the class of each point.

Letters: P points.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.data.classes.point_labels import PointLabels
from vision.data.formats.cloud_values import (
    FULL,
    broken_npy,
    check_extent,
    check_full,
    check_places,
    to_labels,
)
from vision.data.formats.clouds import read_cloud, read_ply_label
from vision.data.formats.s3dis_annotations import read_annotations
from vision.data.index.points import PointIndex
from vision.data.transforms.clouds import Cloud
from vision.errors import DataError
from vision.ops.npy_files import map_npy
from vision.options import Range, check_ranges

UNIT = Range(above=0, maximum=10**6, unit="metres")


class RoomFiles(NamedTuple):
    """The files of a room.

    Attributes:
        name: Its name, unique in its dataset.
        points: The file of its points, or a folder with a file for each object.
        labels: A file of its labels; None if they are in the first file, or not known.
    """

    name: str
    points: str
    labels: str | None = None


def files_of(index: PointIndex, place: int) -> RoomFiles:
    """The files of a room, by its number in an index."""
    labels = None if index.labels is None else index.labels[place]
    return RoomFiles(index.rooms[place], index.points[place], labels)


@dataclass(frozen=True, kw_only=True)
class RoomForm:
    """How the numbers in files of rooms are meant.

    Attributes:
        labels: The classes; None reads no labels.
        unit_m: The unit of the coordinates in metres: 0.001 for millimetres.
        full_color: As `full` of `vision.data.formats.clouds.read_cloud`.

    Raises:
        ConfigError: A value is out of its range.
    """

    labels: PointLabels | None
    unit_m: float = 1.0
    full_color: float = FULL

    def __post_init__(self) -> None:
        check_ranges({"unit_m": self.unit_m}, {"unit_m": UNIT})
        check_full(self.full_color)

    def without_labels(self) -> "RoomForm":
        """The same, which reads no labels."""
        return replace(self, labels=None)


def read_room(files: RoomFiles, form: RoomForm) -> Cloud:
    """Read a room.

    Args:
        files: Its files.
        form: How they are meant.

    Returns:
        The points in metres; the label is the class index or `IGNORED`, None without labels.

    Raises:
        DataError: A file is absent, broken, empty, in another unit than metres, or its colours or
            labels are wrong; or it has no labels, and `form` does.
        MissingPackageError: A package that reads it is not installed.
    """
    if os.path.isdir(files.points):
        names = () if form.labels is None else form.labels.names
        cloud = read_annotations(Path(files.points), names, full=form.full_color)
    else:
        cloud = read_cloud(files.points, full=form.full_color)
    points = cloud.points if form.unit_m == 1 else cloud.points * form.unit_m
    points = check_places(points, files.points)
    check_extent(points, files.points)
    return cloud._replace(points=points, label=_read_label(files, cloud, form))


def _read_label(files: RoomFiles, cloud: Cloud, form: RoomForm) -> np.ndarray | None:
    if form.labels is None:
        return None
    if files.labels is None:
        if cloud.label is None:
            raise DataError(
                f"'{files.points}' has no labels: it can be predicted, but neither trained on nor "
                "evaluated. Points have them in a column of their own; see docs/data_points.md."
            )
        return form.labels.apply(cloud.label, files.points)
    return form.labels.apply(_label_file(files.labels, len(cloud.points)), files.labels)


def _label_file(path: str, count: int) -> np.ndarray:
    """The labels of an npy file of labels alone, or of a PLY file, int64 `(P,)`."""
    if path.lower().endswith(".npy"):
        try:
            values = map_npy(path)
        except (ValueError, OSError, EOFError) as error:
            raise broken_npy(path, error) from error
        return to_labels(values, count, path)
    label = read_ply_label(path)
    if label is None:
        raise DataError(f"'{path}' has no labels; expected a property 'label' of its vertices.")
    return to_labels(label, count, path)
