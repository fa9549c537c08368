"""Mapping from the values in mask files to classes; unexpected values are errors."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError, DataError

# Values, or colours, that an error lists beside the first one.
MAX_NAMED = 5
MAX_VALUE = 65535
REMEDY = "Fix the file, or say what the value means: as a class of its own, or as ignored."
REMEDY_COLOR = "Fix the file, or say what the colour means: as a class of its own, or as ignored."

Color = tuple[int, int, int]


class Table(ABC):
    """The mapping from pixels of mask files to classes.

    Attributes:
        num_classes: Number of classes, K: they are 0 to K - 1.
    """

    num_classes: int

    @abstractmethod
    def apply(self, labels: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
        """Translate the pixels of a mask file.

        Args:
            labels: The pixels, as from `vision.ops.label_images.read_labels`.
            path: The file, for errors.

        Returns:
            uint8 `(H, W)`: class index or `IGNORED`.

        Raises:
            DataError: A pixel has an unexpected value, or the file has another kind of pixel.
        """

    @abstractmethod
    def describe(self) -> str:
        """The mapping in one line, to log."""


class LabelTable(Table):
    """Values of grey or palette masks, and the class of each.

    Args:
        values: Value in the file, 0..65535, -> class index, or `IGNORED`. Each class from 0 to
            K - 1 has a value.
        remedy: End of the errors about unexpected values.

    Raises:
        ConfigError: A value is out of its range, or a class has no value.
    """

    def __init__(self, values: Mapping[int, int], *, remedy: str = REMEDY) -> None:
        self.values = dict(values)
        self.remedy = remedy
        classes = {label for label in self.values.values() if label != IGNORED}
        self.num_classes = len(classes)
        if not classes or classes != {*range(self.num_classes)} or self.num_classes > IGNORED:
            raise ConfigError(
                f"the classes of a label table are {_ranges(classes) or 'none'}, expected all of "
                f"0 to K - 1, with K from 1 to {IGNORED}."
            )
        if bad := [value for value in self.values if not 0 <= value <= MAX_VALUE]:
            raise ConfigError(f"the value {bad[0]} of a mask must be in 0..{MAX_VALUE}.")
        size = 256 if max(self.values) < 256 else MAX_VALUE + 1
        self._classes = np.full(size, IGNORED, dtype=np.uint8)
        self._known = np.zeros(size, dtype=bool)
        for value, label in self.values.items():
            self._classes[value] = label
            self._known[value] = True

    @classmethod
    def classes(
        cls,
        num_classes: int,
        *,
        reduce_zero_label: bool = False,
        ignored: Iterable[int] = (IGNORED,),
        remedy: str = REMEDY,
    ) -> "LabelTable":
        """The table of files that number the classes consecutively.

        Args:
            num_classes: Number of classes, K, 1 to 255.
            reduce_zero_label: Whether 0 in the file is ignored, and 1 to K are the classes 0 to
                K - 1; if not, 0 to K - 1 are the classes.
            ignored: Values of pixels that are ignored in training and in metrics.
            remedy: End of the errors about unexpected values.

        Raises:
            ConfigError: A value is both a class and ignored, or K is out of its range.
        """
        if not 1 <= num_classes <= IGNORED:
            raise ConfigError(f"{num_classes} classes, expected 1 to {IGNORED}.")
        first = int(reduce_zero_label)
        values = {first + label: label for label in range(num_classes)}
        if both := sorted(values.keys() & {*ignored}):
            raise ConfigError(
                f"ignored={sorted({*ignored})}: the value {both[0]} is a class already; the "
                f"{num_classes} classes have the values {first}..{first + num_classes - 1}."
            )
        zero = (0,) if reduce_zero_label else ()
        return cls(values | dict.fromkeys((*zero, *ignored), IGNORED), remedy=remedy)

    def apply(self, labels: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
        """Translate the pixels of a grey or palette mask.

        Args:
            labels: uint8 or uint16 `(H, W)`.
            path: The file, for errors.

        Returns:
            uint8 `(H, W)`: class index or `IGNORED`.

        Raises:
            DataError: A value is not expected, or the mask is an RGB image.
        """
        if labels.ndim != 2:
            raise DataError(
                f"mask '{path}' is an RGB image, but class indices are expected (a grey or palette "
                "PNG). If colours stand for classes, give `colors`, the colour of each class."
            )
        if labels.dtype == np.uint8 and len(self._known) > 256:
            labels = labels.astype(np.uint16)
        elif labels.dtype != np.uint8 and len(self._known) == 256:
            if labels.max(initial=0) > 255:
                raise self._unexpected(labels, path)
            labels = labels.astype(np.uint8)
        if labels.dtype != np.uint8:
            if not self._known.take(labels).all():
                raise self._unexpected(labels, path)
            return self._classes.take(labels)
        # `bytes.translate` is several times as fast as NumPy; unknown values are left out.
        found = bytearray(np.ascontiguousarray(labels)).translate(
            self._classes.tobytes(), np.flatnonzero(~self._known).astype(np.uint8).tobytes()
        )
        if len(found) < labels.size:
            raise self._unexpected(labels, path)
        return np.frombuffer(found, dtype=np.uint8).reshape(labels.shape)

    def describe(self) -> str:
        """The mapping in one line, such as `"1..150 -> classes 0..149; 0, 255 -> ignored"`."""
        pairs = sorted((v, label) for v, label in self.values.items() if label != IGNORED)
        parts, start = [], 0
        for end in range(1, len(pairs) + 1):
            if end == len(pairs) or pairs[end] != (pairs[end - 1][0] + 1, pairs[end - 1][1] + 1):
                (low, first), (high, last) = pairs[start], pairs[end - 1]
                parts.append(
                    f"{low} -> class {first}"
                    if low == high
                    else f"{low}..{high} -> classes {first}..{last}"
                )
                start = end
        ignored = self._ranges_of(ignored=True)
        return "; ".join([*parts, f"{ignored} -> ignored" if ignored else "nothing is ignored"])

    def _ranges_of(self, *, ignored: bool) -> str:
        return _ranges(v for v, label in self.values.items() if (label == IGNORED) is ignored)

    def _unexpected(self, labels: np.ndarray, path: str | os.PathLike[str]) -> DataError:
        bad = np.fromiter(
            (int(v) not in self.values for v in range(int(labels.max()) + 1)), dtype=bool
        )[labels]
        value, count, where = _first(labels.astype(np.int64), bad)
        others = np.unique(labels[bad & (labels != value)]).tolist()
        ignored = self._ranges_of(ignored=True)
        expected = self._ranges_of(ignored=False) + (f", or {ignored} (ignored)" if ignored else "")
        return DataError(
            f"mask '{path}' has the value {value} in {count:,} pixel{'s' * (count > 1)}, first at "
            f"{where}{_and_others(others, 'values')}; expected {expected}. {self.remedy}"
        )


class ColorTable(Table):
    """Colours of RGB masks, and the class of each.

    Args:
        colors: `(R, G, B)` of each class, 0..255.
        ignored: Colours of pixels that are ignored in training and in metrics.
        remedy: End of the errors about unexpected colours.

    Raises:
        ConfigError: A colour is invalid or comes twice, or there are too many.
    """

    def __init__(
        self,
        colors: Sequence[Sequence[int]],
        *,
        ignored: Sequence[Sequence[int]] = (),
        remedy: str = REMEDY_COLOR,
    ) -> None:
        self.colors = tuple(_color(color) for color in colors)
        self.ignored = tuple(_color(color) for color in ignored)
        self.remedy = remedy
        self.num_classes = len(self.colors)
        if not 1 <= self.num_classes <= IGNORED:
            raise ConfigError(f"{self.num_classes} colours of classes, expected 1 to {IGNORED}.")
        every = [*self.colors, *self.ignored]
        if len({*every}) < len(every):
            twice = next(color for color in every if every.count(color) > 1)
            raise ConfigError(f"the colour {twice} stands for two classes, or is ignored as well.")
        keys = np.array([_key(color) for color in every])
        order = np.argsort(keys)
        labels = np.array([*range(self.num_classes), *([IGNORED] * len(self.ignored))])
        self._keys, self._labels = keys[order], labels[order].astype(np.uint8)

    def apply(self, labels: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
        """Translate the pixels of an RGB mask.

        Args:
            labels: uint8 `(H, W, 3)`.
            path: The file, for errors.

        Returns:
            uint8 `(H, W)`: class index or `IGNORED`.

        Raises:
            DataError: A colour is not expected, or the mask is not an RGB image.
        """
        if labels.ndim != 3:
            raise DataError(
                f"mask '{path}' holds indices (it is a grey or palette PNG), but RGB colours are "
                "expected. Leave `colors` out, or write the mask as RGB."
            )
        planes = labels.astype(np.uint32)
        keys = (planes[..., 0] << 16 | planes[..., 1] << 8 | planes[..., 2]).ravel()
        # Neighbours are mostly equal: each run of equal pixels is looked up once.
        starts = np.concatenate([[0], np.flatnonzero(keys[1:] != keys[:-1]) + 1])
        runs = keys[starts]
        places = np.searchsorted(self._keys, runs).clip(max=len(self._keys) - 1)
        unknown = self._keys[places] != runs
        lengths = np.diff(starts, append=len(keys))
        if unknown.any():
            bad = np.repeat(unknown, lengths).reshape(labels.shape[:2])
            raise self._unexpected(keys.reshape(labels.shape[:2]), bad, path)
        return np.repeat(self._labels[places], lengths).reshape(labels.shape[:2])

    def describe(self) -> str:
        """The mapping in one line."""
        parts = [f"{color} -> class {label}" for label, color in enumerate(self.colors)]
        if len(parts) > MAX_NAMED:
            parts = [*parts[: MAX_NAMED - 1], "...", parts[-1]]
        ignored = ", ".join(map(str, self.ignored))
        return "; ".join([*parts, f"{ignored} -> ignored" if ignored else "nothing is ignored"])

    def _unexpected(
        self, keys: np.ndarray, bad: np.ndarray, path: str | os.PathLike[str]
    ) -> DataError:
        key, count, where = _first(keys.astype(np.int64), bad)
        others = [_unkey(int(key)) for key in np.unique(keys[bad & (keys != key)])]
        ignored = f" or of {len(self.ignored)} that are ignored" if self.ignored else ""
        return DataError(
            f"mask '{path}' has the colour {_unkey(key)} in {count:,} pixel{'s' * (count > 1)}, "
            f"first at {where}{_and_others(others, 'colours')}; expected one of "
            f"{self.num_classes} colours of classes{ignored}. {self.remedy}"
        )


def _first(values: np.ndarray, bad: np.ndarray) -> tuple[int, int, str]:
    """The first bad value, its number of pixels, and where it is."""
    row, column = divmod(int(np.flatnonzero(bad)[0]), bad.shape[1])
    value = int(values[row, column])
    return value, int((values == value).sum()), f"row {row}, column {column}"


def _and_others(others: Sequence[object], what: str) -> str:
    if not others:
        return ""
    more = ", ..." if len(others) > MAX_NAMED else ""
    named = ", ".join(map(str, others[:MAX_NAMED])) + more
    return f" (and {len(others)} other unexpected {what}: {named})"


def _ranges(values: Iterable[int]) -> str:
    """Numbers in order, consecutive ones as a range."""
    parts: list[list[int]] = []
    for value in sorted({*values}):
        if parts and value == parts[-1][-1] + 1:
            parts[-1][1:] = [value]
        else:
            parts.append([value])
    return ", ".join("..".join(map(str, part)) for part in parts)


def _color(color: Sequence[int]) -> Color:
    values = tuple(int(value) for value in color)
    if len(values) != 3 or values != tuple(color) or not 0 <= min(values) <= max(values) <= 255:
        raise ConfigError(f"{color!r} is not a colour: expected [R, G, B], each in 0..255.")
    return values[0], values[1], values[2]


def _key(color: Color) -> int:
    return color[0] << 16 | color[1] << 8 | color[2]


def _unkey(key: int) -> Color:
    return key >> 16, key >> 8 & 255, key & 255
