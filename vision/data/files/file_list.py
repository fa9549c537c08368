"""Images and their classes from a CSV file: columns path, label and perhaps split."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from vision.data.files.class_folders import LabelledFiles
from vision.data.files.finding import PathList
from vision.data.files.label_sets import label_matrix
from vision.data.files.split_folders import SPLIT_OF
from vision.documents.csv_text import read_csv
from vision.errors import DataError, shown, suggest
from vision.reading import shown_path

PATH, LABEL, SPLIT = "path", "label", "split"
# Between the labels of one image.
SEPARATOR = ";"


class FileList:
    """The images of a CSV file with the columns `path`, `label` and, if they are split, `split`.

    Paths are relative to a folder. An image with several labels has them in one cell, with
    semicolons between, or in several rows; an empty cell is none. Classes are numbered in
    alphabetical order, or by value where all are whole numbers.

    Args:
        path: The file.
        root: Folder that the paths are relative to.
        multi_label: Whether an image has any number of labels, not one.

    Attributes:
        class_names: The labels that occur.
        has_splits: Whether there is a column `split`.

    Raises:
        DataError: The file or an image is absent, a column is missing, or a cell does not fit.
    """

    def __init__(self, path: Path, root: Path, *, multi_label: bool) -> None:
        self.name = shown_path(path)
        rows = read_csv(path, columns=(PATH, LABEL), what="list of images")
        if not rows:
            raise DataError(f"{self.name} lists no images: it has a header and no rows.")
        self.has_splits = SPLIT in rows[0]
        files: dict[str, int] = {}
        sets: list[list[str]] = []
        splits: list[str] = []
        for number, row in enumerate(rows, start=1):
            labels, split = self._labels(row, number, multi_label), self._split(row, number)
            image = os.path.join(root, row[PATH])
            place = files.setdefault(image, len(files))
            if place == len(sets):
                sets.append(labels)
                splits.append(split)
            elif not multi_label or splits[place] != split:
                raise DataError(
                    f"{self.name}, row {number:,}: {shown(row[PATH])} is there twice. Delete one "
                    "row."
                )
            else:
                sets[place] += labels
        self._check_files(files, root)
        self.class_names = _ordered({label for labels in sets for label in labels})
        if not self.class_names:
            raise DataError(f"{self.name} has no labels: every cell of '{LABEL}' is empty.")
        self._files = LabelledFiles(PathList(files), self._numbers(sets, multi_label))
        self._splits = np.array(splits)

    def files(self, split: str) -> LabelledFiles | None:
        """The images of a split, in the order of the file; None if it has none."""
        chosen = np.flatnonzero(self._splits == split)
        return self._files.take(chosen) if len(chosen) else None

    def _labels(self, row: Mapping[str, str], number: int, multi_label: bool) -> list[str]:
        if not row[PATH].strip():
            raise DataError(f"{self.name}, row {number:,}: the cell '{PATH}' is empty.")
        cells = row[LABEL].split(SEPARATOR) if multi_label else [row[LABEL]]
        labels = [cell.strip() for cell in cells if cell.strip()]
        if not labels and not multi_label:
            raise DataError(
                f"{self.name}, row {number:,}: {shown(row[PATH])} has no label. Write it into the "
                f"cell '{LABEL}', or delete the row."
            )
        return labels

    def _split(self, row: Mapping[str, str], number: int) -> str:
        if not self.has_splits:
            return "train"
        given = row[SPLIT].strip().lower()
        if given not in SPLIT_OF:
            raise DataError(
                f"{self.name}, row {number:,}: {shown(row[SPLIT])} is not a split."
                f"{suggest(given, SPLIT_OF)} Write one of {', '.join(SPLIT_OF)}."
            )
        return SPLIT_OF[given]

    def _check_files(self, files: Mapping[str, int], root: Path) -> None:
        absent = [path for path in files if not os.path.isfile(path)]
        if absent:
            raise DataError(
                f"{self.name} lists {len(absent):,} of {len(files):,} images that are not there, "
                f"such as {shown_path(absent[0])}. Paths are relative to {shown_path(root)}: set "
                "data.root to the folder that they begin in."
            )

    def _numbers(self, sets: Sequence[Sequence[str]], multi_label: bool) -> np.ndarray:
        label_of = {name: label for label, name in enumerate(self.class_names)}
        numbers = [[label_of[name] for name in labels] for labels in sets]
        if multi_label:
            return label_matrix(numbers, len(self.class_names))
        return np.array([labels[0] for labels in numbers], dtype=np.int64)


def _ordered(names: set[str]) -> tuple[str, ...]:
    if all(name.isdecimal() and len(name) < 10 for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
