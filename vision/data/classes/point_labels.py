"""From the values in files of points to class indices. Letters: P points."""

from dataclasses import dataclass

import numpy as np

from vision.contracts.points import IGNORED
from vision.errors import ConfigError, DataError, listed
from vision.reading import shown_path


@dataclass(frozen=True, kw_only=True)
class PointLabels:
    """The classes of a dataset of points.

    Attributes:
        names: Name of each class, by index.
        values: Value of each class in files.
        ignored: Values of points that are ignored, unless a class has them; None ignores all that
            no class has.

    Raises:
        ConfigError: The numbers of names and values differ, a name or value is there twice, or
            there are too many.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]
    ignored: tuple[int, ...] | None = (-1, IGNORED)

    def __post_init__(self) -> None:
        if len(self.names) != len(self.values) or not 1 <= len(self.names) < IGNORED:
            raise ConfigError(
                f"{len(self.names)} classes ({listed(self.names)}) and {len(self.values)} values "
                f"in files ({listed(self.values)}): expected as many, from 1 to {IGNORED - 1}."
            )
        for what, given in (("name", self.names), ("value", self.values)):
            twice = [one for one in given if [*given].count(one) > 1]
            if twice:
                raise ConfigError(f"two classes have the same {what} {twice[0]!r}.")

    def apply(self, label: np.ndarray, path: str) -> np.ndarray:
        """The class index of each point.

        Args:
            label: int64 `(P,)`, values of a file.
            path: The file, for errors.

        Returns:
            int64 `(P,)`, `IGNORED` where there is none.

        Raises:
            DataError: A value is that of no class.
        """
        order = np.argsort(self.values)
        known = np.array(self.values, np.int64)[order]
        places = np.searchsorted(known, label).clip(max=len(known) - 1)
        found = np.where(known[places] == label, order[places], IGNORED)
        if self.ignored is None:
            return found
        wrong = np.flatnonzero((found == IGNORED) & ~np.isin(label, self.ignored))
        if len(wrong):
            raise DataError(
                f"{shown_path(path)}: labels of {len(wrong):,} of {len(label):,} points are those "
                f"of no class, first point {wrong[0]:,} (from 0): {label[wrong[0]]}. Expected "
                f"{self.describe()}. Correct the file, or the values of the classes."
            )
        return found

    def describe(self) -> str:
        """Value and name of each class, and what is ignored, in words."""
        pairs = zip(self.values, self.names, strict=True)
        text = listed((f"{value} ({name})" for value, name in pairs), maximum=8)
        ignored = [value for value in self.ignored or () if value not in self.values]
        return f"{text}; ignored {listed(ignored)}" if ignored else text
