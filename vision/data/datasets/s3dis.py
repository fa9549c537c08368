"""S3DIS: rooms of six areas of three buildings, as coloured points.

"3D Semantic Parsing of Large-Scale Indoor Spaces", I. Armeni et al., 2016.
"""

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from vision.data.base.points import PointData, PointOptions
from vision.data.base.splits import Split
from vision.data.classes.point_labels import PointLabels
from vision.data.files.finding import list_folders, require_folder
from vision.data.formats.rooms import RoomFiles
from vision.data.formats.s3dis_annotations import ANNOTATIONS
from vision.errors import ConfigError, DataError, listed
from vision.keywords import Unpack
from vision.reading import user_path

CLASSES = (
    *("ceiling", "floor", "wall", "beam", "column", "window", "door", "table", "chair", "sofa"),
    *("bookcase", "board", "clutter"),
)
AREAS = (1, 2, 3, 4, 5, 6)
EXPECTED = (
    "Expected a file for each room, ROOT/Area_5_office_1.npy with a row x y z red green blue label "
    f"for each point, or the official folders, ROOT/Area_5/office_1/{ANNOTATIONS}/chair_1.txt."
)
_NAME = re.compile(r"Area_(\d+)_(.+)\.npy")


class Room(NamedTuple):
    """A room: its area and its files."""

    area: int
    files: RoomFiles


class S3DIS(PointData):
    """S3DIS, of which one area validates and the others train.

    Either the files that the authors of most models prepare, one array of rows x y z red green blue
    label for each room, or the official folders with a text file for each object. Those take
    seconds for each room and epoch; write them as arrays to train.

    Args:
        root: Its folder.
        area: The area that validates, 1 to 6. Six runs, one for each, are the six-fold evaluation.
        **options: Other keywords of `PointData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self, *, root: str | os.PathLike[str], area: int = 5, **options: Unpack[PointOptions]
    ) -> None:
        super().__init__(**options)
        if area not in AREAS:
            raise ConfigError(f"area={area!r} must be one of {listed(AREAS, maximum=6)}.")
        self.root = user_path(root)
        self.area = area

    @property
    def labels(self) -> PointLabels:
        """The 13 classes, numbered from 0."""
        return PointLabels(names=CLASSES, values=(*range(len(CLASSES)),))

    @cached_property
    def rooms(self) -> list[Room]:
        """All rooms that are there.

        Raises:
            DataError: There are none, or a file has another name.
        """
        require_folder(self.root, EXPECTED)
        files = sorted(self.root.glob("Area_*.npy"))
        found = [_of_file(file) for file in files] or [
            Room(int(name.removeprefix("Area_")), _of_folder(self.root / name / room, name))
            for name in list_folders(self.root)
            if re.fullmatch(r"Area_\d", name)
            for room in list_folders(self.root / name)
        ]
        if not found:
            raise DataError(f"'{self.root.resolve()}' has no rooms. {EXPECTED}")
        return found

    def find_rooms(self, split: Split) -> Sequence[RoomFiles]:
        """The rooms of the area that validates, or those of all others.

        Raises:
            DataError: There are none.
        """
        found = [
            room.files for room in self.rooms if (room.area == self.area) == (split != "train")
        ]
        if not found:
            there = listed(sorted({f"Area_{room.area}" for room in self.rooms}), maximum=6)
            wanted = f"Area_{self.area}" if split != "train" else f"another area than {self.area}"
            raise DataError(
                f"'{self.root}' has no rooms of {wanted}, which the {split} split is; it has those "
                f"of {there}. Give another data.area, or add files."
            )
        return found


def _of_file(file: Path) -> Room:
    found = _NAME.fullmatch(file.name)
    if found is None:
        raise DataError(f"'{file}' does not say its area and its room by its name. {EXPECTED}")
    return Room(int(found[1]), RoomFiles(file.stem, os.fspath(file)))


def _of_folder(folder: Path, area: str) -> RoomFiles:
    return RoomFiles(f"{area}_{folder.name}", os.fspath(folder))
