"""Volumes of one's own, which a file lists."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from vision.contracts.volumes import Regions
from vision.data.base.splits import Split
from vision.data.base.volumes import VolumeData, VolumeOptions
from vision.data.files.finding import require_folder
from vision.data.formats.subject_folds import (
    TRAINING,
    Folds,
    check_folds,
    choose,
    divide,
    fold_rows,
)
from vision.data.formats.subjects import SubjectFiles
from vision.data.formats.volume_list import FORM, ListedSubject, read_volume_list
from vision.errors import ConfigError, DataError, listed
from vision.keywords import Unpack
from vision.reading import user_path

NAMES = ("volumes.csv", "volumes.json", "dataset.json")
EXPECTED = f"Expected a list of volumes, ROOT/{' or ROOT/'.join(NAMES[:2])}. {FORM}"


class VolumeFolder(VolumeData):
    """Volumes in NIfTI files with the class of each cell, which a CSV or JSON file lists.

    Paths in the list are relative to `root`. A subject has one file for each modality, or one with
    four axes of them all. Where the list names no validation set, one fold of the subjects
    validates. Without labels of a test set the validation set is tested; subjects without labels
    in the splits `test` and `predict` are predicted, or else the validation set.

    Args:
        root: The dataset's folder.
        classes: Name of each class, the background first.
        label_values: Value of each class in label files; None numbers them from 0. The value 255
            marks cells that are ignored, unless a class has it.
        modalities: Name of each modality, in the order of the channels.
        regions: Regions of classes that may overlap, each a list of class indices by its name, to
            be learned in place of the classes; None learns the classes.
        list_file: The list; None is `volumes.csv`, `volumes.json` or `dataset.json` in `root`.
        fold: The fold that validates where the list names no validation set; of the column `fold`
            if there is one.
        folds: Number of folds of our own division by subject, which depends on `seed`.
        **options: Other keywords of `VolumeData`.

    Raises:
        ConfigError: An option is out of its range, or the classes do not fit their values.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        classes: Sequence[str],
        label_values: Sequence[int] | None = None,
        modalities: Sequence[str] = ("image",),
        regions: dict[str, list[int]] | None = None,
        list_file: str | os.PathLike[str] | None = None,
        fold: int = 0,
        folds: int = 5,
        **options: Unpack[VolumeOptions],
    ) -> None:
        super().__init__(**options)
        check_folds(fold, max(folds, fold + 1))
        self.root = user_path(root)
        self._classes = tuple(classes)
        self._values = tuple(label_values or range(len(self._classes)))
        self._modalities = tuple(modalities)
        self._regions = _plain(regions)
        self._list = None if list_file is None else user_path(list_file)
        self.fold, self.folds = fold, folds
        if not self._modalities or len({*self._modalities}) < len(self._modalities):
            raise ConfigError(
                f"modalities={listed(self._modalities)}: expected a different name for each."
            )
        _ = self.labels  # classes that do not fit their values, at once

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes as they are given."""
        return self._classes

    @property
    def label_values(self) -> tuple[int, ...]:
        """The values as they are given."""
        return self._values

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities as they are given."""
        return self._modalities

    @property
    def regions(self) -> Regions | None:
        """The regions as they are given."""
        return self._regions

    @cached_property
    def rows(self) -> list[ListedSubject]:
        """What the list has.

        Raises:
            DataError: It is absent, or has another form.
        """
        require_folder(self.root, EXPECTED)
        found = (self.root / name for name in NAMES if (self.root / name).is_file())
        path = self._list or next(found, None)
        if path is None:
            raise DataError(f"'{self.root.resolve()}' has no list of volumes. {EXPECTED}")
        return read_volume_list(path, self.root, self.modalities)

    @property
    def test_split(self) -> Split:
        """The test set where it has labels, or else the validation set."""
        labelled = any(row.split == "test" and row.mask for row in self.rows)
        return "test" if labelled else "val"

    @property
    def predict_split(self) -> Split:
        """Subjects that are listed to be predicted, or else the validation set."""
        return "predict" if any(_to_predict(row) for row in self.rows) else "val"

    def find_subjects(self, split: Split) -> Sequence[SubjectFiles]:
        """The subjects of a split.

        Raises:
            DataError: The list is absent or has another form, or subjects have no labels.
        """
        if split == "predict":
            rows = [row for row in self.rows if _to_predict(row)]
        elif split == "test" or any(row.split == "val" for row in self.rows):
            rows = [row for row in self.rows if row.split == split]
        else:
            rows = self._part(train=split == "train")
        unlabelled = [row.name for row in rows if row.mask is None]
        if split != "predict" and unlabelled:
            raise DataError(
                f"subjects of the {split} split have no labels in the list: "
                f"{listed(map(repr, unlabelled))}. Add them, or move the subjects to 'predict'."
            )
        return [_files(row) for row in rows]

    def _part(self, *, train: bool) -> list[ListedSubject]:
        """The training subjects outside the fold that validates, or those in it."""
        rows = [row for row in self.rows if row.split == "train"]
        folds = self._find_folds(rows)
        chosen = {*choose([row.name for row in rows], folds, self.fold, train=train)}
        return [row for row in rows if row.name in chosen]

    def _find_folds(self, rows: Sequence[ListedSubject]) -> Folds:
        given = {row.name: row.fold for row in rows if row.fold is not None}
        if given:
            return Folds(given, "the list of volumes")
        return Folds(divide([*{row.name for row in rows}], folds=self.folds, seed=self.seed))

    def fold_table(self) -> dict[str, Any] | None:
        """The list with the fold of each training subject, to be given as `list_file`.

        Returns:
            None if the list names a validation set.

        Raises:
            DataError: The list is absent or has another form.
        """
        if any(row.split == "val" for row in self.rows):
            return None
        table: dict[str, Any] = {}
        for split in dict.fromkeys(row.split for row in self.rows):
            rows = [row for row in self.rows if row.split == split]
            key, folds = (split, {}) if split != "train" else (TRAINING, self._find_folds(rows).of)
            table[key] = fold_rows([_files(row) for row in rows], folds, self.root)
        return table


def _files(row: ListedSubject) -> SubjectFiles:
    return SubjectFiles(row.name, row.files, row.mask)


def _to_predict(row: ListedSubject) -> bool:
    return row.split == "predict" or (row.split == "test" and row.mask is None)


def _plain(regions: Mapping[str, Sequence[int]] | None) -> Regions | None:
    return None if regions is None else {name: tuple(own) for name, own in regions.items()}
