"""What the volumes of a split hold, and all problems of such a dataset at once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from vision.contracts.volumes import IGNORED
from vision.data.check.looking import look_at, spread_places
from vision.data.check.unique_parts import unique_parts
from vision.data.classes.volume_labels import VolumeLabels
from vision.data.formats.subjects import SubjectFiles, read_subject
from vision.data.index.volumes import VolumeIndex
from vision.errors import DataError, ImageError, listed
from vision.ops.volume_axes import orientation_of, spacing_of
from vision.wording import counted

# Volumes of a split that are read at the start.
LOOKED_AT = 3
# Of values other than 0: what a note says of them.
QUANTILES = (0.01, 0.5, 0.99)
MAX_LISTED = 8


class VolumeNote(NamedTuple):
    """What one subject holds.

    Attributes:
        path: Its first file.
        shape: Cells along each axis as stored.
        spacing: Distance between them in mm.
        orientation: Orientation of its axes.
        counts: int64 `(256,)` cells of each class index and `IGNORED`; None without labels.
        values: `(C, 3)`, the quantiles `QUANTILES` of the values other than 0 of each modality.
    """

    path: str
    shape: tuple[int, ...]
    spacing: tuple[float, float, float]
    orientation: str
    counts: np.ndarray | None
    values: np.ndarray


class VolumeFacts:
    """Collects what subjects hold.

    Args:
        labels: The classes.
        modalities: Name of each modality.

    Attributes:
        notes: What each subject holds.
    """

    def __init__(self, labels: VolumeLabels, modalities: Sequence[str]) -> None:
        self.labels = labels
        self.modalities = tuple(modalities)
        self.notes: list[VolumeNote] = []

    def look(self, index: VolumeIndex, place: int, *, resample: bool) -> VolumeNote:
        """Read a subject, and say what it holds.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        masks = index.masks
        subject = SubjectFiles(
            index.subjects[place],
            index.files_of(place),
            None if masks is None else masks[place],
        )
        try:
            stored = read_subject(subject, self.modalities, self.labels, resample=resample)
        except DataError as error:
            raise ImageError(str(error)) from error
        mask = stored.volume.mask
        affine = stored.header.affine
        values = [_quantiles(channel) for channel in stored.volume.values]
        return VolumeNote(
            path=subject.files[0],
            shape=stored.header.shape,
            spacing=spacing_of(affine),
            orientation=orientation_of(affine),
            counts=None if mask is None else np.bincount(mask.ravel(), minlength=IGNORED + 1),
            values=np.array(values),
        )

    def counts(self) -> np.ndarray:
        """Cells of each class index and `IGNORED`, int64 `(256,)`, of all subjects."""
        found = [note.counts for note in self.notes if note.counts is not None]
        return np.sum([np.zeros(IGNORED + 1, np.int64), *found], axis=0)

    def has_no_class(self) -> bool:
        """Whether there are labels, and every cell is background or ignored."""
        counts = self.counts()
        return bool(counts.any() and not counts[1 : len(self.labels.names)].any())

    def check(self, split: str) -> None:
        """Raise an error if there is nothing to learn.

        Raises:
            DataError: Every cell is background or ignored.
        """
        if self.has_no_class():
            raise DataError(
                f"every cell of the {counted(len(self.notes), 'volumes')} of the {split} split, "
                f"such as '{self.notes[0].path}', is background or ignored: there is nothing to "
                f"learn. The values of the classes are {self.labels.describe()}."
            )

    def absent(self) -> list[str]:
        """Names of the classes that no cell has."""
        counts = self.counts()[: len(self.labels.names)].tolist()
        return [name for name, count in zip(self.labels.names, counts, strict=True) if not count]

    def describe(self) -> list[str]:
        """What the subjects hold, in lines: their grids, values and classes."""
        if not self.notes:
            return []
        lines = [self._grids()]
        values = np.median([note.values for note in self.notes], axis=0)
        for name, (low, middle, high) in zip(self.modalities, values.tolist(), strict=True):
            lines.append(
                f"{name}: values other than 0 are about {middle:.4g} ({low:.4g} to {high:.4g})"
            )
        counts = self.counts()
        if counts.any():
            shares = counts / counts.sum()
            parts = [
                f"{name} {share:.2%}"
                for name, share in zip(self.labels.names, shares, strict=False)
            ]
            lines.append(
                f"cells: {listed(parts, maximum=MAX_LISTED)}, ignored {shares[IGNORED]:.2%}"
            )
        return lines

    def _grids(self) -> str:
        shapes = np.array([note.shape for note in self.notes])
        steps = np.array([note.spacing for note in self.notes])
        names = sorted({note.orientation for note in self.notes})
        return (
            f"{counted(len(self.notes), 'volumes')} of {_span(shapes)} cells of {_span(steps)} mm, "
            f"{', '.join(names)}"
        )


def _span(rows: np.ndarray) -> str:
    low, high = rows.min(axis=0), rows.max(axis=0)
    texts = [
        f"{one:.4g}" if np.isclose(one, other, rtol=1e-3) else f"{one:.4g} to {other:.4g}"
        for one, other in zip(low, high, strict=True)
    ]
    return " x ".join(texts)


def _quantiles(channel: np.ndarray) -> np.ndarray:
    # Every n-th cell is enough, and all of a large volume would take seconds.
    some = channel.ravel()[:: max(1, channel.size // 100_000)]
    own = some[some != 0]
    return np.quantile(own, QUANTILES) if len(own) else np.zeros(len(QUANTILES))


def read_some(
    index: VolumeIndex,
    facts: VolumeFacts,
    split: str,
    *,
    resample: bool = False,
    skip: bool = False,
    maximum: int = LOOKED_AT,
) -> None:
    """Read some subjects of a split, evenly spread, and log what they hold.

    Where no cell of these has a class, others are read until one has: of rare lesions many subjects
    may have none.

    Args:
        index: The split.
        facts: Collects what they hold.
        split: Name of the split.
        resample: As in `read_subject`.
        skip: Whether unreadable ones are left out here, and the run decides whether it skips them.
        maximum: Number of subjects to read; others follow only if these have no class.

    Raises:
        ImageError: A file is absent or broken, unless `skip`.
        DataError: There is nothing to learn.
    """
    places = dict.fromkeys([*spread_places(len(index), maximum), *range(len(index))])
    wanted = takewhile(lambda one: one[0] < maximum or facts.has_no_class(), enumerate(places))
    look_at(
        facts,
        (place for _, place in wanted),
        lambda place: facts.look(index, place, resample=resample),
        split=split,
        skip=skip,
    )


class CheckedSubjects(Dataset[VolumeNote]):
    """Subjects to read, with what they hold.

    Args:
        index: The subjects.
        facts: Collects what they hold.
        split: Name of the split.
        resample: As in `read_subject`.
    """

    def __init__(
        self, index: VolumeIndex, facts: VolumeFacts, split: str, *, resample: bool
    ) -> None:
        self.index = index
        self.facts = facts
        self.split = split
        self.resample = resample

    def __getitem__(self, place: int) -> VolumeNote:
        """Read a subject, whole.

        Raises:
            ImageError: A file is absent, broken, or does not fit the others.
        """
        return self.facts.look(self.index, place, resample=self.resample)

    def collect(self, found: Sequence[VolumeNote]) -> None:
        """Note what some subjects hold."""
        self.facts.notes += found

    def remarks(self) -> list[str]:
        """What they hold, and the classes that no cell has."""
        lines = self.facts.describe()
        absent = self.facts.absent() if self.facts.counts().any() else []
        if absent:
            names = listed(map(repr, absent), maximum=MAX_LISTED)
            lines.append(f"no cell of any volume has the class {names}")
        return [f"{self.split}: {line}." for line in lines]

    def __len__(self) -> int:
        return len(self.index)


def unique_subjects(
    indices: Mapping[str, VolumeIndex],
    labels: VolumeLabels,
    modalities: Sequence[str],
    *,
    resample: bool,
) -> Iterator[Dataset[Any]]:
    """The subjects of some splits, each once.

    Args:
        indices: The splits, by name.
        labels: The classes.
        modalities: Name of each modality.
        resample: As in `read_subject`.
    """
    for split, part in unique_parts(indices):
        yield CheckedSubjects(part, VolumeFacts(labels, modalities), split, resample=resample)
