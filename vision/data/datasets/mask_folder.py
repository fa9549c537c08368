"""Images and their masks, in two folders."""

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.contracts.segmentation import IGNORED
from vision.data.base.segmentation import (
    SegmentationData,
    SegmentationOptions,
    Split,
)
from vision.data.check.segmentation_problems import MaskScan
from vision.data.classes.label_tables import ColorTable, LabelTable, Table
from vision.data.files.finding import PathList, list_folders, require_folder
from vision.data.index.mask_pairs import Pairs, find_some_images, pair_masks
from vision.data.index.segmentation import SegmentationIndex
from vision.documents.text import read_lines
from vision.errors import ConfigError, DataError, listed_lines, suggest
from vision.keywords import Unpack
from vision.options import check_number
from vision.program import command
from vision.reading import MAX_SETTINGS_BYTES, user_path

SPLITS: tuple[Split, ...] = ("train", "val", "test")
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


class MaskFolder(SegmentationData):
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
        super().__init__(**options)
        check_number("val_fraction", val_fraction, above=0, below=1)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.val_fraction = val_fraction
        self.values = None if values is None else tuple(values)
        self.ignored = tuple(ignored)
        self.ignored_colors = ignored_colors
        self.reduce_zero_label = reduce_zero_label
        self.colors = colors
        self._classes = _names(classes, colors)
        self._lenient = False
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

    @cached_property
    def has_splits(self) -> bool:
        """Whether `root/images` has `train` and `val` folders, instead of the images themselves.

        Raises:
            DataError: There is no `root/images`, or one of the two without the other.
        """
        folder = self.root / "images"
        require_folder(folder, EXPECTED)
        names = list_folders(folder)
        present = [split for split in ("train", "val") if split in names]
        if len(present) == 1:
            absent = "val" if present == ["train"] else "train"
            near = suggest(absent, [name for name in names if name not in SPLITS])
            raise DataError(
                f"'{folder.resolve()}' has '{present[0]}' but no '{absent}'.{near} {EXPECTED}"
            )
        return bool(present)

    @property
    def test_split(self) -> Split:
        """The test set where it has masks, or else the validation set."""
        return "test" if self._has_test and (self.root / "masks" / "test").is_dir() else "val"

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, or of the test set, or else of the validation set."""
        if self.predict_root is not None:
            return "predict"
        return "test" if self._has_test else "val"

    def read_index(self, split: Split) -> SegmentationIndex:
        """Find the images of a split and their masks.

        Raises:
            DataError: A folder is absent or empty, or an image has no mask or a mask no image.
        """
        if split == "predict":
            assert self.predict_root is not None
            expected = "Expected a folder of images, nested or not."
            return SegmentationIndex(images=PathList(find_some_images(self.predict_root, expected)))
        if split == "test" and not (self.root / "masks" / "test").is_dir():
            return SegmentationIndex(
                images=PathList(find_some_images(self.root / "images" / "test", EXPECTED))
            )
        part = split if self.has_splits else None
        pairs = self._pairs(part)
        if pairs.problems and not self._lenient:
            raise DataError(
                f"files that are not paired in '{self.root.resolve()}':\n"
                f"{listed_lines(pairs.problems)}\n{EXPECTED}\n"
                f"`{command('check-dataset')} MaskFolder "
                f"--root {self.root}` lists everything that is wrong."
            )
        return pairs.index if part else pairs.index.take(self._share(len(pairs.index), split))

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

    def layout_problems(self) -> Iterator[str]:
        """Every image without a mask and mask without an image, and other problems.

        The paired files are checked further.
        """
        self._lenient = True
        try:
            problems = [*self._unpaired(), *super().layout_problems()]
        finally:
            self._lenient = False
        yield from problems

    @property
    def _has_test(self) -> bool:
        return self.has_splits and (self.root / "images" / "test").is_dir()

    def _unpaired(self) -> Iterator[str]:
        """The problem of each unpaired file."""
        try:
            parts = (*SPLITS[:2], self.test_split) if self.has_splits else (None,)
            for part in dict.fromkeys(parts):
                yield from self._pairs(part).problems
        except DataError:
            return  # setup finds the same

    def _pairs(self, part: str | None) -> Pairs:
        images, masks = (self.root / kind / (part or "") for kind in ("images", "masks"))
        return pair_masks(images, masks, EXPECTED)

    def _share(self, count: int, split: Split) -> np.ndarray:
        """The indices of the files of a random split, from the seed and the number of files."""
        if count < 2:
            raise DataError(
                f"'{self.root.resolve()}' has {count} image with a mask: none can be held out for "
                f"validation. {EXPECTED}"
            )
        held_out = min(max(1, round(self.val_fraction * count)), count - 1)
        chosen = np.zeros(count, dtype=bool)
        chosen[random.Random(f"{self.seed}/masks").sample(range(count), held_out)] = True
        return np.flatnonzero(~chosen if split == "train" else chosen)

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
