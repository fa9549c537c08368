"""The Medical Segmentation Decathlon: ten tasks of one layout."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from vision.data.base.splits import Split
from vision.data.base.volumes import OrientedVolumes, VolumeData
from vision.data.files.finding import require_folder
from vision.data.formats.subject_folds import (
    TRAINING,
    check_folds,
    choose,
    fold_rows,
    folds_of,
)
from vision.data.formats.subjects import SubjectFiles
from vision.data.transforms.volumes_options import WINDOW, Intensity, check_intensity
from vision.documents.json_text import read_json
from vision.errors import DataError, shown
from vision.keywords import Unpack
from vision.ops.nifti import nifti_stem
from vision.reading import MAX_TABLE_BYTES, user_path

LIST = "dataset.json"
EXPECTED = (
    "Expected a task as it is unpacked, such as Task09_Spleen: ROOT/dataset.json, "
    "ROOT/imagesTr/*.nii.gz, ROOT/labelsTr/*.nii.gz and ROOT/imagesTs/*.nii.gz."
)
AUTO = "auto"
CT = "CT"
# Hounsfield units in which soft tissue differs.
CT_WINDOW = (-175.0, 250.0)


class MedicalDecathlon(VolumeData):
    """A task of the Medical Segmentation Decathlon.

    "The Medical Segmentation Decathlon", Antonelli et al., 2022, arXiv 2106.05735. `dataset.json`
    names the modalities, the classes and the files; volumes of several modalities have four axes.
    One fold of the training subjects validates, and is tested: labels of the test subjects, which
    are predicted, were never published.

    Args:
        root: The folder of the task.
        fold: The fold that validates, from 0; the others are trained on.
        folds: Number of folds of our own division by subject, which depends on `seed`.
        fold_list: A JSON file with the fold of each subject, such as the `folds.json` of a run or
            one of MONAI's data lists; `folds` is then not used.
        intensity: As in `VolumeData`. "auto" is the window of soft tissue for CT, -175 to 250
            Hounsfield units, and "zscore_nonzero" for all else; lungs need another window.
        **options: Other keywords of `VolumeData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        fold: int = 0,
        folds: int = 5,
        fold_list: str | os.PathLike[str] | None = None,
        intensity: str | dict[str, list[float]] | None = AUTO,
        **options: Unpack[OrientedVolumes],
    ) -> None:
        chosen = None if intensity == AUTO else intensity
        super().__init__(intensity=chosen, **options)
        if fold_list is None:
            check_folds(fold, folds)
        self.root = user_path(root)
        self.fold_list = None if fold_list is None else user_path(fold_list)
        self.fold, self.folds = fold, folds
        self._by_modality = intensity == AUTO

    @cached_property
    def listed(self) -> Mapping[str, Any]:
        """What `dataset.json` has.

        Raises:
            DataError: It is absent, or has another form.
        """
        require_folder(self.root, EXPECTED)
        path = self.root / LIST
        found = read_json(path, max_bytes=MAX_TABLE_BYTES, what="list of the task")
        forms = {"modality": dict, "labels": dict, "training": list}
        for key, form in forms.items():
            value = found.get(key) if isinstance(found, dict) else None
            if not isinstance(value, form) or not value:
                raise DataError(f"'{path}': '{key}' is {shown(value)}. {EXPECTED}")
        for key in ("modality", "labels"):
            wrong = [number for number in found[key] if not str(number).isdecimal()]
            if wrong:
                raise DataError(f"'{path}': '{key}' has {shown(wrong[0])}, expected numbers.")
        return found

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes in the order of their values."""
        return tuple(str(name) for _, name in _numbered(self.listed["labels"]))

    @property
    def label_values(self) -> tuple[int, ...]:
        """The values of the classes."""
        return tuple(value for value, _ in _numbered(self.listed["labels"]))

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities in their order."""
        return tuple(str(name) for _, name in _numbered(self.listed["modality"]))

    @property
    def intensity(self) -> Intensity:
        """As it is given, or by the modality."""
        if not self._by_modality:
            return super().intensity
        is_ct = all(name.upper() == CT for name in self.modalities)
        return check_intensity({WINDOW: CT_WINDOW} if is_ct else "zscore_nonzero")

    @property
    def predict_split(self) -> Split:
        """The test subjects where there are any, or else the validation fold."""
        return "predict" if self.listed.get("test") else "val"

    def find_subjects(self, split: Split) -> Sequence[SubjectFiles]:
        """The subjects of a split, as they are listed.

        Raises:
            DataError: An entry of the list has another form.
        """
        key = "test" if split == "predict" else TRAINING
        rows = self._subjects(key)
        if split == "predict":
            return rows
        names = [row.name for row in rows]
        folds = folds_of(self, names, nifti_stem)
        chosen = {*choose(names, folds, self.fold, train=split == "train")}
        return [row for row in rows if row.name in chosen]

    def fold_table(self) -> dict[str, Any]:
        """The folds of the training subjects, to be given as `fold_list`.

        Raises:
            DataError: A list is absent, or has another form.
        """
        rows = self._subjects(TRAINING)
        folds = folds_of(self, [row.name for row in rows], nifti_stem)
        return {TRAINING: fold_rows(rows, folds.of, self.root)}

    def _subjects(self, key: str) -> list[SubjectFiles]:
        return [self._subject(row, key, number) for number, row in enumerate(self.listed[key], 1)]

    def _subject(self, row: Any, key: str, number: int) -> SubjectFiles:
        entry = row if isinstance(row, dict) else {"image": row}
        image, label = entry.get("image"), entry.get("label")
        labelled = key == TRAINING
        if not isinstance(image, str) or not isinstance(label, str if labelled else object):
            raise DataError(
                f"'{self.root / LIST}', entry {number:,} of '{key}': {shown(row)}; expected "
                '{"image": PATH, "label": PATH}.'
            )
        mask = os.path.normpath(self.root / str(label)) if labelled else None
        return SubjectFiles(nifti_stem(image), (os.path.normpath(self.root / image),), mask)


def _numbered(entries: Mapping[str, Any]) -> list[tuple[int, Any]]:
    return sorted((int(number), name) for number, name in entries.items())
