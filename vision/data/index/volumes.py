"""The subjects of a split of a dataset of volumes, in arrays, from the headers of their files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vision.data.files.finding import PathList
from vision.data.index.masked_files import take_paths
from vision.errors import DataError


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeIndex:
    """The N subjects of a split.

    Attributes:
        subjects: Name of each, all different.
        files: Paths of the files of each one after the other, as many for each: one per modality,
            or one of them all.
        masks: Path of the labels of each; None if there are none.
        shapes: int32 `(N, 3)`, cells along the axes of the first file of each.
        affines: float64 `(N, 4, 4)`, of these cells.

    Raises:
        DataError: The numbers of subjects, files, masks and headers differ.
    """

    subjects: Sequence[str]
    files: Sequence[str]
    masks: Sequence[str] | None = None
    shapes: np.ndarray
    affines: np.ndarray

    def __post_init__(self) -> None:
        count = len(self.subjects)
        others = [len(self.shapes), len(self.affines)]
        others += [] if self.masks is None else [len(self.masks)]
        if {count} != {*others, count} or (len(self.files) % count if count else self.files):
            raise DataError(
                f"{count:,} subjects, but {len(self.files):,} files, and {others} shapes, affines "
                "and volumes of labels."
            )

    def __len__(self) -> int:
        return len(self.subjects)

    @property
    def has_targets(self) -> bool:
        """Whether there are labels."""
        return self.masks is not None

    @property
    def files_each(self) -> int:
        """Number of files of each subject."""
        return len(self.files) // max(1, len(self))

    @property
    def images(self) -> Sequence[str]:
        """The first file of each subject, which has the original grid."""
        return PathList(self.files[place * self.files_each] for place in range(len(self)))

    def files_of(self, place: int) -> tuple[str, ...]:
        """The files of a subject, by its index in the split."""
        place = range(len(self))[place]
        first = place * self.files_each
        return tuple(self.files[number] for number in range(first, first + self.files_each))

    def take(self, chosen: np.ndarray) -> "VolumeIndex":
        """The subjects at some indices, int64 `(n,)`, as an index of their own."""
        return replace(
            self,
            subjects=take_paths(self.subjects, chosen),
            files=PathList(path for place in chosen.tolist() for path in self.files_of(place)),
            masks=None if self.masks is None else take_paths(self.masks, chosen),
            shapes=self.shapes[chosen],
            affines=self.affines[chosen],
        )
