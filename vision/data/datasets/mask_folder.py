"""Images and their masks, in two folders."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.base.paired_folders import PairedFolders
from vision.data.base.segmentation import SegmentationData, SegmentationOptions
from vision.data.check.segmentation_problems import MaskScan
from vision.data.classes.label_tables import ColorTable, LabelTable, Table
from vision.data.files.finding import PathList
from vision.data.index.segmentation import SegmentationIndex
from vision.documents.text import read_lines
from vision.errors import ConfigError, DataError
from vision.keywords import Unpack
from vision.reading import MAX_SETTINGS_BYTES

CLASSES_FILE = "classes.txt"
EXPECTED = (
    "Expected ROOT/images/{train,val}/* and masks of the same names, ROOT/masks/{train,val}/*.png "
    "(test may be there too), or ROOT/images/* and ROOT/masks/*.png to split at random."
)
REMEDY_VALUE = (
    "Fix the mask, or say what the value means: add it to `ignored`, or give `values`, the value "
    "of each class. If 0 is no class and the classes count from 1, set reduce_zero_label: true."
)
REMEDY_COLOR = (
    "Fix the mask (resized or JPEG-compressed masks have mixed colours), or add the colour to "
    "`colors` or to `ignored_colors`."
)


class MaskFolder(PairedFolders[SegmentationIndex], SegmentationData):
    """A segmentation dataset with one folder of images and one of masks.

    The tree is `root/images/{train,val[,test]}/**` and `root/masks/{train,val[,test]}/**`, or
    `root/images/**` and `root/masks/**`, of which a share is then held out for validation. A mask
    is a PNG file with the path of its image but for the suffix: grey or palette with indices of 8
    or 16 bits, or RGB with a colour per class. Every value has to belong to a class or be ignored;
    no other value is ignored silently.

    Without masks for a test set the validation set is tested; without `predict_root` the images of
    the test set, or else of the validation set, are predicted.

    Args:
        root: The dataset's folder.
        classes: Name of each class; None uses the names in `colors`, or else in
            `root/classes.txt`, one per line.
        colors: Colour `[R, G, B]` of each class, by name or in the order of `classes`, for RGB
            masks.
        values: Value of each class in the masks, such as `[0, 255]`; None for 0, 1, 2, ...
        ignored: Values in the masks of pixels that are ignored in training and evaluation.
        ignored_colors: Colours in RGB masks of pixels that are ignored in training and evaluation.
        reduce_zero_label: Whether the masks' 0 is ignored, and 1, 2, ... are the classes.
        val_fraction: Share of the images that is held out, in (0, 1); only where `root/images` has
            no `train` and `val`.
        predict_root: A folder of images to predict, nested or not.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range, or options contradict each other.
    """

    expected = EXPECTED
    folder, what = "masks", "mask"

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        classes: Sequence[str] | None = None,
        colors: Mapping[str, Sequence[int]] | Sequence[Sequence[int]] | None = None,
        values: Sequence[int] | None = None,
        ignored: Sequence[int] = (IGNORED,),
        ignored_colors: Sequence[Sequence[int]] = (),
        reduce_zero_label: bool = False,
        val_fraction: float = 0.2,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[SegmentationOptions],
    ) -> None:
        super().__init__(root=root, val_fraction=val_fraction, predict_root=predict_root, **options)
        self.values = None if values is None else tuple(values)
        self.ignored = tuple(ignored)
        self.ignored_colors = ignored_colors
        self.reduce_zero_label = reduce_zero_label
        self.colors = colors
        self._classes = _names(classes, colors)
        self._require_one_coding()
        if self._classes is not None:
            _ = self.label_table  # reports wrong options at once

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label.

        Raises:
            DataError: No names were given, and there is no file of them, or it is wrong.
        """
        return self._classes or read_class_list(self.root / CLASSES_FILE)

    @cached_property
    def label_table(self) -> Table:
        """The mapping from values or colours in the masks to classes.

        Raises:
            ConfigError: The options do not fit the number of classes, or a value is given twice.
            DataError: The names of the classes cannot be read.
        """
        if self.colors is not None:
            return ColorTable(
                self._ordered_colors(), ignored=self.ignored_colors, remedy=REMEDY_COLOR
            )
        if self.values is None:
            return LabelTable.classes(
                self.num_classes,
                reduce_zero_label=self.reduce_zero_label,
                ignored=self.ignored,
                remedy=REMEDY_VALUE,
            )
        if len(self.values) != self.num_classes or len({*self.values}) < len(self.values):
            raise ConfigError(
                f"values={list(self.values)} must be a value of its own for each of the "
                f"{self.num_classes} classes."
            )
        if both := sorted({*self.values} & {*self.ignored}):
            raise ConfigError(
                f"{both[0]} is in values={list(self.values)} and in ignored={list(self.ignored)}: "
                f"if it is a class, set ignored: {sorted({*self.ignored} - {*both})}."
            )
        labels = {value: label for label, value in enumerate(self.values)}
        return LabelTable(labels | dict.fromkeys(self.ignored, IGNORED), remedy=REMEDY_VALUE)

    @property
    def palette(self) -> np.ndarray | None:
        """The colours in the masks, uint8 `(K, 3)`; None where they hold indices."""
        return None if self.colors is None else np.array(self._ordered_colors(), dtype=np.uint8)

    @property
    def prediction_values(self) -> np.ndarray | None:
        """Values of the classes as in the masks, uint8 `(K,)`; None if they are 0, 1, 2, ..."""
        table = self.label_table
        if not isinstance(table, LabelTable):
            return None
        pairs = sorted((label, value) for value, label in table.values.items() if label != IGNORED)
        values = [value for _, value in pairs]
        if values == [*range(len(values))] or max(values) > 255:
            return None
        return np.array(values, dtype=np.uint8)

    def make_index(self, images: PathList, others: PathList | None) -> SegmentationIndex:
        """The index of some images, and of their masks if there are any."""
        return SegmentationIndex(images=images, masks=others)

    def check_scan(self, scan: MaskScan) -> None:
        """Raise an error if the masks that were read show a wrong mapping.

        Raises:
            DataError: All of their pixels are ignored, or they are black and white masks whose
                white, 255, is ignored.
        """
        plain = self.colors is None and self.values is None and not self.reduce_zero_label
        white = IGNORED in self.ignored and IGNORED in scan.values
        if plain and white and self.num_classes == 2 and {*scan.values} <= {0, IGNORED}:
            raise DataError(
                f"the {scan.masks} masks that were read, such as '{scan.path}', have no "
                f"values but {scan.value_text()}, and {IGNORED} is ignored: the class "
                f"'{self.class_names[1]}' would never be seen. If {IGNORED} is that class, set "
                f"values: [0, {IGNORED}] and ignored: []. If it is not, and the class is rare, "
                "set values: [0, 1]."
            )
        super().check_scan(scan)

    def _ordered_colors(self) -> list[Sequence[int]]:
        """The colour of each class.

        Raises:
            ConfigError: There are not as many as classes, or they have other names.
        """
        assert self.colors is not None
        names = self.class_names
        if isinstance(self.colors, Mapping):
            if {*self.colors} != {*names}:
                other = sorted({*self.colors} ^ {*names})
                raise ConfigError(
                    f"colors and classes differ in the names: {', '.join(map(repr, other[:5]))}. "
                    "Give every class its colour."
                )
            return [self.colors[name] for name in names]
        if len(self.colors) != len(names):
            raise ConfigError(f"{len(self.colors)} colors for {len(names)} classes: give each one.")
        return [*self.colors]

    def _require_one_coding(self) -> None:
        """Raise an error where options exclude each other."""
        if self.colors is not None and (self.values is not None or self.reduce_zero_label):
            raise ConfigError(
                "colors is for RGB masks, values and reduce_zero_label are for masks of indices: "
                "give one of them."
            )
        if self.values is not None and self.reduce_zero_label:
            raise ConfigError(
                "values says which value each class has: leave reduce_zero_label out, and add 0 to "
                "ignored."
            )
        if self.colors is None and self.ignored_colors:
            raise ConfigError("ignored_colors needs colors: the colour of each class.")


def read_class_list(path: Path) -> tuple[str, ...]:
    """Read class names from a text file, one per line; empty lines do not count.

    Raises:
        DataError: The file is absent or cannot be read, is empty, or has a name twice.
    """
    if not path.exists():
        raise DataError(
            f"there are no names of classes: give `classes`, or a file '{path}' with a name in "
            "each line, in the order of the values in the masks."
        )
    names = tuple(read_lines(path, max_bytes=MAX_SETTINGS_BYTES, what="list of classes"))
    if not names or len({*names}) < len(names):
        what = "is empty" if not names else "has a name twice"
        raise DataError(f"'{path}' {what}; expected the name of a class in each line.")
    return names


def _names(
    classes: Sequence[str] | None,
    colors: Mapping[str, Sequence[int]] | Sequence[Sequence[int]] | None,
) -> tuple[str, ...] | None:
    """Class names from the options.

    Raises:
        ConfigError: There are none, or one comes twice.
    """
    if classes is None:
        return tuple(colors) if isinstance(colors, Mapping) else None
    names = tuple(name.strip() for name in classes)
    if not all(names) or not names or len({*names}) < len(names):
        raise ConfigError(f"classes={list(classes)} must be names, each of them once.")
    return names
