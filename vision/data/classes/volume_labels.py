"""From the values in label files of volumes to class indices, and back."""

from dataclasses import dataclass

import numpy as np

from vision.contracts.volumes import IGNORED
from vision.errors import ConfigError, DataError, listed, shown

# Values of label files lie within a signed 16-bit integer, so that a table of them is small.
LOW, HIGH = -(2**15), 2**15 - 1
# What a table has for a value that no class has; class indices stop before it.
UNKNOWN = 254


@dataclass(frozen=True, kw_only=True)
class VolumeLabels:
    """The classes of a dataset of volumes.

    Attributes:
        names: Name of each class, by index; index 0 is the background.
        values: Value of each class in label files. The value 255, unless a class has it, marks
            cells that are ignored.

    Raises:
        ConfigError: The numbers of names and values differ, a value is there twice, or there are
            too many.
    """

    names: tuple[str, ...]
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.names) != len(self.values) or not 2 <= len(self.names) <= UNKNOWN:
            raise ConfigError(
                f"{len(self.names)} classes ({listed(self.names)}) and {len(self.values)} values "
                f"in label files ({listed(self.values)}): expected as many, the background among "
                f"them, from 2 to {UNKNOWN}."
            )
        for what, given in (("name", self.names), ("value", self.values)):
            twice = [one for one in given if [*given].count(one) > 1]
            if twice:
                raise ConfigError(f"two classes have the same {what} {shown(twice[0])}.")
        wrong = [one for one in self.values if type(one) is not int or not LOW <= one <= HIGH]
        if wrong:
            raise ConfigError(
                f"the value {shown(wrong[0])} of a class must be an integer from {LOW:,} to "
                f"{HIGH:,}."
            )

    def apply(self, labels: np.ndarray, path: str) -> np.ndarray:
        """The class index of each cell.

        Args:
            labels: Integers `(...)`, values of a label file.
            path: The file, for errors.

        Returns:
            uint8 `(...)`, `IGNORED` where there is none.

        Raises:
            DataError: A value is that of no class.
        """
        table = np.full(HIGH - LOW + 1, UNKNOWN, dtype=np.uint8)
        table[IGNORED - LOW] = IGNORED
        table[np.array(self.values) - LOW] = np.arange(len(self.values))
        within = labels.size == 0 or (int(labels.min()) >= LOW and int(labels.max()) <= HIGH)
        found = table[labels.astype(np.int32) - LOW] if within else None
        if found is None or (found == UNKNOWN).any():
            known = [*self.values, IGNORED]
            values, counts = np.unique(labels[~np.isin(labels, known)], return_counts=True)
            pairs = zip(values.tolist(), counts.tolist(), strict=True)
            raise DataError(
                f"'{path}' has values that no class has: "
                f"{listed(f'{value} in {count:,} cells' for value, count in pairs)}. Expected "
                f"{self.describe()}. Correct the file, or the values of the classes."
            )
        return found

    def describe(self) -> str:
        """Value and name of each class, in words."""
        pairs = zip(self.values, self.names, strict=True)
        return listed((f"{value} ({name})" for value, name in pairs), maximum=8)

    def restore(self, mask: np.ndarray) -> np.ndarray:
        """The values that label files have for class indices, int32 `(...)`."""
        return np.array(self.values, dtype=np.int32)[mask]
