"""BraTS: brain tumours in four kinds of magnetic resonance images."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vision.contracts.volumes import Regions
from vision.data.base.splits import Split
from vision.data.base.volumes import VolumeData, VolumeLoading
from vision.data.files.finding import list_folders, require_folder
from vision.data.formats.subject_folds import (
    TRAINING,
    check_folds,
    choose,
    fold_rows,
    folds_of,
    name_of_folder,
)
from vision.data.formats.subjects import SubjectFiles
from vision.errors import DataError
from vision.keywords import Unpack
from vision.ops.nifti import SUFFIXES
from vision.options import check_ranges
from vision.reading import user_path

CLASSES = ("background", "NCR", "ED", "ET")
# In the order of the channels of published models.
REGIONS: Regions = {"TC": (1, 3), "WT": (1, 2, 3), "ET": (3,)}
# Each modality by its ending in the files of 2021, and of 2023.
MODALITIES = {"flair": "t2f", "t1ce": "t1c", "t1": "t1n", "t2": "t2w"}
# Value of each class in the files of 2021, and of 2023.
VALUES = {"_": (0, 1, 2, 4), "-": (0, 1, 2, 3)}
LABELS = "seg"
EXPECTED = (
    "Expected ROOT/BraTS2021_00000/BraTS2021_00000_{flair,t1,t1ce,t2,seg}.nii.gz for each subject, "
    "or as of 2023 ROOT/BraTS-GLI-00000-000/BraTS-GLI-00000-000-{t2f,t1n,t1c,t2w,seg}.nii.gz."
)


class BraTS(VolumeData):
    """BraTS: four aligned volumes of each subject, and the parts of its tumour.

    "The RSNA-ASNR-MICCAI BraTS 2021 Benchmark on Brain Tumor Segmentation and Radiogenomic
    Classification", Baid et al., 2021, arXiv 2107.02314: 1,251 subjects with labels, volumes of
    240 x 240 x 155 cells of 1 mm, without the skull. The names of the challenge of 2023 are known
    too.

    The classes are NCR, the necrotic core (1 in the files), ED, the oedema (2), and ET, the
    enhancing tumour (4; 3 in 2023). The regions that papers report overlap: TC, the core, is NCR
    and ET; WT, the whole tumour, is all three; ET is itself. The channels are flair, t1ce, t1, t2:
    the order in the data list that was published with Swin UNETR, as we read it.

    One fold of the subjects validates, and is tested. Labels of the official validation set were
    never published; its subjects are predicted with `predict_root`.

    Args:
        root: The folder of the subjects' folders.
        targets: Whether the overlapping regions or the classes are learned.
        fold: The fold that validates, from 0; the others are trained on.
        folds: Number of folds of our own division by subject, which depends on `seed`. It is not
            the published one.
        fold_list: A JSON file with the fold of each subject, such as the published
            `brats21_folds.json`; `folds` is then not used.
        predict_root: A folder of subjects to predict; None predicts the validation fold.
        orientation: As in `VolumeData`; the files are LPS, as published models see them.
        **options: Other keywords of `VolumeData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    expected = EXPECTED

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        targets: Literal["regions", "labels"] = "regions",
        fold: int = 0,
        folds: int = 5,
        fold_list: str | os.PathLike[str] | None = None,
        predict_root: str | os.PathLike[str] | None = None,
        orientation: str = "LPS",
        **options: Unpack[VolumeLoading],
    ) -> None:
        super().__init__(orientation=orientation, **options)
        check_ranges({"targets": targets}, {"targets": ("regions", "labels")})
        if fold_list is None:
            check_folds(fold, folds)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.targets = targets
        self.fold, self.folds = fold, folds
        self.fold_list = None if fold_list is None else user_path(fold_list)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The background and the parts of a tumour."""
        return CLASSES

    @property
    def modalities(self) -> tuple[str, ...]:
        """Flair, t1ce, t1 and t2."""
        return tuple(MODALITIES)

    @property
    def regions(self) -> Regions | None:
        """TC, WT and ET, unless the classes are learned."""
        return REGIONS if self.targets == "regions" else None

    @cached_property
    def label_values(self) -> tuple[int, ...]:
        """Value of each class in the files, by the names of the folders.

        Raises:
            DataError: There are no subjects.
        """
        return VALUES[_separator(subject_names(self.root)[0])]

    @property
    def predict_split(self) -> Split:
        """The subjects of `predict_root`, or the validation fold."""
        return "val" if self.predict_root is None else "predict"

    def find_subjects(self, split: Split) -> Sequence[SubjectFiles]:
        """The files of the subjects of a split; they need not be there.

        Raises:
            DataError: There are no folders of subjects, or they have no folds.
        """
        if split == "predict":
            assert self.predict_root is not None
            names = subject_names(self.predict_root)
            return [_files(self.predict_root, name, labels=False) for name in names]
        names = subject_names(self.root)
        folds = folds_of(self, names, name_of_folder)
        chosen = choose(names, folds, self.fold, train=split == "train")
        return [_files(self.root, name, labels=True) for name in chosen]

    def fold_table(self) -> dict[str, Any]:
        """The folds of the subjects, to be given as `fold_list`.

        Raises:
            DataError: There are no folders of subjects, or the list has another form.
        """
        names = subject_names(self.root)
        subjects = [_files(self.root, name, labels=True) for name in names]
        return {TRAINING: fold_rows(subjects, folds_of(self, names, name_of_folder).of, self.root)}


def subject_names(root: Path) -> list[str]:
    """Names of the subjects' folders, in alphabetical order.

    Raises:
        DataError: There are none.
    """
    require_folder(root, EXPECTED)
    names = [name for name in list_folders(root) if name.lower().startswith("brats")]
    inside = [name for name in names if not _holds_volumes(root / name)]
    if not names or len(inside) == len(names):
        found = f"it has {', '.join(sorted(os.listdir(root))[:3])}" if any(root.iterdir()) else ""
        raise DataError(
            f"'{root.resolve()}' has no folders of subjects{': ' + found if found else ''}. "
            f"{EXPECTED}"
        )
    return names


def _holds_volumes(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(SUFFIXES) for entry in entries)


def _separator(name: str) -> str:
    """What stands between the name of a subject and that of a modality."""
    return "-" if "-" in name else "_"


def _files(root: Path, name: str, *, labels: bool) -> SubjectFiles:
    separator = _separator(name)
    endings = MODALITIES.values() if separator == "-" else MODALITIES
    files = [_file(root / name, f"{name}{separator}{ending}") for ending in endings]
    mask = _file(root / name, f"{name}{separator}{LABELS}") if labels else None
    return SubjectFiles(name, tuple(files), mask)


def _file(folder: Path, stem: str) -> str:
    """The path of a file, compressed unless only the other is there."""
    paths = [str(folder / f"{stem}{suffix}") for suffix in SUFFIXES]
    return next((path for path in paths if os.path.isfile(path)), paths[0])
