"""Images in one folder per class."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.base.classification import ClassificationData
from vision.data.base.images import ImageBatches
from vision.data.check.problems import ImageFiles
from vision.data.files.class_folders import (
    SUFFIXES,
    LabelledFiles,
    folder_problems,
    log_ignored,
    loose_images,
    other_files,
    scan_classes,
)
from vision.data.files.file_list import FileList
from vision.data.files.finding import PathList, find_images, list_folders, require_folder
from vision.data.files.folds import split_classes, split_fold
from vision.data.files.split_folders import SPLIT_OF, split_folders
from vision.data.images.read import read_file
from vision.data.loading.balanced_sampling import BalancedSampler
from vision.data.loading.sampling import EpochSampler
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.errors import ConfigError, DataError, listed, suggest
from vision.keywords import Unpack
from vision.options import check_number
from vision.reading import user_path

MAX_FOLDS = 1000
EXPECTED = (
    "Expected ROOT/train/CLASS/* and ROOT/val/CLASS/* (ROOT/test/CLASS/* may be there too), "
    "or ROOT/CLASS/* to split at random. The images of a CSV file: --data.file_list FILE."
)


class FolderSamples(Dataset[ClassificationSample | ImageSample]):
    """Images read from files, with labels, or for prediction with their paths.

    Args:
        paths: The files.
        labels: int64 `(N,)`, class of each file; bool `(N, K)`, which of K classes it has, makes
            labels of 0 and 1; None makes samples with a `path`.
        transform: Decodes a file into uint8 `(3, H, W)`.
    """

    def __init__(
        self,
        paths: PathList,
        labels: np.ndarray | None,
        transform: TrainTransform | EvalTransform,
    ) -> None:
        self.paths = paths
        self.labels = labels
        self.transform = transform

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        path = self.paths[index]
        image = self.transform.decode(read_file(path))
        if self.labels is None:
            return {"image": image, "path": path}
        label = torch.as_tensor(self.labels[index])
        return {"image": image, "label": label.float() if label.ndim else label}

    def __len__(self) -> int:
        return len(self.paths)


class FolderOptions(ImageBatches, total=False):
    """Keywords that subclasses pass on to `ImageFolder`."""

    image_size: int
    crop: float
    interpolation: Interpolation
    crop_mode: CropMode
    augment: Augment
    predict_root: str | os.PathLike[str] | None


class ImageFolder(ClassificationData):
    """A classification dataset with one folder of images per class.

    The tree is `root/{train,val[,test]}/CLASS/*`, or `root/CLASS/*`, of which a share of each class
    is then held out for validation; the folder of the validation set may be called `valid` or
    `validation` too. Or a CSV file lists the images. Classes are numbered in alphabetical order of
    the folders. Without a test set the validation set is tested; without `predict_root` the test
    set is predicted.

    Args:
        root: The dataset's folder.
        image_size: Side in pixels of the square images that the model gets.
        val_fraction: Share of each class that is held out, in (0, 1); only where `root` has no
            `train` and `val`.
        file_list: CSV file with a row for each image: `path`, relative to `root`, `label`, and
            perhaps `split`, which is train, val or test. Folders then mean nothing.
        folds: Number of folds of a cross-validation: training and validation images together are
            divided into so many parts with alike shares of each class. None for none.
        fold: The fold that validates, from 0; the others are trained on.
        balanced: Whether an epoch has equally many images of each class. Those of rare classes
            come more than once, each time augmented otherwise; its length stays as it is.
        crop: Share of the resized short side that the central crop keeps in evaluation.
        interpolation: Filter of the resize in evaluation.
        crop_mode: How evaluation makes an image square: "center" takes the central square, "squash"
            ignores the aspect ratio.
        augment: Options of the augmentation of training images.
        predict_root: A folder of images to predict, nested or not.
        **loading: Other keywords of `ImageData`.

    Attributes:
        multi_label: Whether an image has any number of classes.

    Raises:
        ConfigError: An option is out of its range.
    """

    multi_label: ClassVar[bool] = False

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        image_size: int = 224,
        val_fraction: float = 0.2,
        crop: float = 0.875,
        interpolation: Interpolation = "bicubic",
        crop_mode: CropMode = "center",
        augment: Augment = NO_OPTIONS,
        predict_root: str | os.PathLike[str] | None = None,
        file_list: str | os.PathLike[str] | None = None,
        folds: int | None = None,
        fold: int | None = None,
        balanced: bool = False,
        **loading: Unpack[ImageBatches],
    ) -> None:
        super().__init__(**loading)
        self.repeats = augment.repeats
        check_number("val_fraction", val_fraction, above=0, below=1)
        _check_folds(fold, folds)
        if balanced and augment.repeats > 1:
            raise ConfigError(
                f"balanced=True and augment.repeats={augment.repeats} both decide how often an "
                "image comes in an epoch. Leave out one."
            )
        self.folds, self.fold = folds, fold or 0
        self.balanced = balanced
        self.list_path = None if file_list is None else user_path(file_list)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.val_fraction = val_fraction
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(
            image_size, crop=crop, interpolation=interpolation, crop_mode=crop_mode
        )
        self._found: dict[str, LabelledFiles] = {}
        self._scanned: dict[str, LabelledFiles | None] = {}

    @cached_property
    def image_list(self) -> FileList | None:
        """The images that a file lists; None where folders hold them.

        Raises:
            DataError: The file is absent, or does not fit.
        """
        if self.list_path is None:
            return None
        require_folder(self.root, "The paths of the list are relative to it.")
        return FileList(self.list_path, self.root, multi_label=self.multi_label)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders of the training set, in alphabetical order."""
        if self.image_list is not None:
            return self.image_list.class_names
        folder = self.root / self.splits["train"] if self.has_splits else self.root
        names = tuple(list_folders(folder))
        if not names:
            loose = find_images(folder)
            instead = f": {len(loose)} images lie in it directly" if loose else ""
            raise DataError(
                f"there are no class folders in '{folder.resolve()}'{instead}. {EXPECTED}"
            )
        return names

    @cached_property
    def splits(self) -> dict[str, str]:
        """Name of the folder of each split in `root`, if there are any.

        Raises:
            DataError: There is no `root`, `train` or `val` is there without the other, or a split
                has two folders.
        """
        require_folder(self.root, EXPECTED)
        names = list_folders(self.root)
        found = split_folders(self.root, names)
        trained = [found[split] for split in ("train", "val") if split in found]
        others = [name for name in names if name not in SPLIT_OF]
        # Among other folders, "train" may be the name of a class: it then holds no folders.
        if not trained or (others and not any(list_folders(self.root / s) for s in trained)):
            return {}
        if len(trained) == 1:
            absent = "val" if "train" in found else "train"
            near = suggest(absent, others)
            raise DataError(
                f"'{self.root.resolve()}' has '{trained[0]}' but no '{absent}'; it has "
                f"{listed(map(repr, names))}.{near} {EXPECTED}"
            )
        return found

    @cached_property
    def has_splits(self) -> bool:
        """Whether `root` has `train` and `val` folders, instead of the class folders themselves.

        Raises:
            DataError: As for `splits`.
        """
        return bool(self.splits)

    def setup(self, stage: str) -> None:
        """Find the files of a stage and make its datasets.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """
        if stage == "fit":
            self.train_dataset = FolderSamples(*self._files("train"), self.train_transform)
        if stage in ("fit", "validate"):
            self.val_dataset = FolderSamples(*self._files("val"), self.eval_transform)
        if stage == "test":
            self.test_dataset = FolderSamples(*self._files(self._test_split), self.eval_transform)
        if stage == "predict":
            self.predict_dataset = FolderSamples(self._to_predict(), None, self.eval_transform)

    def layout_problems(self) -> Iterator[str]:
        """Every class folder that is unknown or empty, or else the problems that stop `setup`.

        Stages without problems are set up.
        """
        problems = list(super().layout_problems())
        yield from list(self._folder_problems()) or problems

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """All images of the splits, also in wrong class folders, and the images to predict."""
        if not self.root.is_dir():
            return
        paths: dict[str, None] = {}
        if self.list_path is not None:
            yield from super().samples_to_check()
            return
        for folder in self._split_folders():
            paths |= dict.fromkeys(find_images(folder))
        if self.predict_dataset is not None:
            paths |= dict.fromkeys(self.predict_dataset.paths)  # type: ignore[attr-defined]
        yield ImageFiles(PathList(paths))

    def train_sampler(self, dataset: Dataset[Any], rank: int, count: int) -> EpochSampler:
        """The order of training images for one of `count` processes."""
        if not self.balanced:
            return super().train_sampler(dataset, rank, count)
        labels = self._files("train").labels
        return BalancedSampler(dataset, labels=labels, seed=self.seed, rank=rank, count=count)

    def _folder_problems(self) -> Iterator[str]:
        try:
            if self.image_list is not None:
                return
            names = self._folder_names
        except DataError:
            return  # setup has found the same
        for folder in self._split_folders():
            yield from folder_problems(folder, names)
            if list_folders(folder):  # else none is in a class folder, which is reported elsewhere
                yield from loose_images(folder)

    @property
    def _folder_names(self) -> tuple[str, ...]:
        """Names of the class folders, by label."""
        return self.class_names

    def _split_folders(self) -> list[Path]:
        """The folders of the splits that exist; the dataset's own if it is not split."""
        try:
            names = [*self.splits.values()]
        except DataError:
            names = [name for name in SPLIT_OF if (self.root / name).is_dir()]
        return [self.root / name for name in names] or [self.root]

    @property
    def _test_split(self) -> str:
        return "val" if self._given("test") is None else "test"

    def _files(self, split: str) -> LabelledFiles:
        """The files of a split, with what is held out for validation."""
        if split not in self._found:
            given = self._given(split)
            if split == "test" or (given is not None and self._as_given):
                assert given is not None, "a test set is asked for only where there is one"
                self._found[split] = given
            else:
                train, val = self._divide()
                self._found |= {"train": train, "val": val}
        return self._found[split]

    @property
    def _as_given(self) -> bool:
        return self.folds is None and self._given("val") is not None

    def _divide(self) -> tuple[LabelledFiles, LabelledFiles]:
        train, val = self._given("train"), self._given("val")
        if train is None:
            raise DataError(f"'{self.list_path}' has no images for training: see its column split.")
        names = self.class_names
        if self.folds is None:
            return split_classes(train, names, fraction=self.val_fraction, seed=self.seed)
        files = train if val is None else join_files([train, val])
        return split_fold(files, names, fold=self.fold, folds=self.folds, seed=self.seed)

    def _given(self, split: str) -> LabelledFiles | None:
        """The files of a split as the dataset has them; None if it has no such split."""
        if split not in self._scanned:
            self._scanned[split] = self._scan_split(split)
        return self._scanned[split]

    def _scan_split(self, split: str) -> LabelledFiles | None:
        if self.image_list is not None:
            return self.image_list.files(split)
        if self.has_splits:
            known = split in self.splits
            return self._scan(self.root / self.splits[split]) if known else None
        return self._scan(self.root) if split == "train" else None

    def _scan(self, folder: Path) -> LabelledFiles:
        return scan_classes(folder, self.class_names)

    def _to_predict(self) -> PathList:
        if self.predict_root is None:
            return self._files(self._test_split).paths
        require_folder(self.predict_root, "Expected a folder of images, nested or not.")
        ignored: Counter[str] = Counter()
        paths = find_images(self.predict_root, ignored)
        if not paths:
            raise DataError(
                f"there are no images in '{self.predict_root.resolve()}'{other_files(ignored)}. "
                f"{SUFFIXES}"
            )
        log_ignored(self.predict_root, ignored)
        return PathList(paths)


def join_files(parts: Sequence[LabelledFiles]) -> LabelledFiles:
    """Several sets of files, one after the other."""
    paths = PathList(path for files in parts for path in files.paths)
    return LabelledFiles(paths, np.concatenate([files.labels for files in parts]))


def _check_folds(fold: int | None, folds: int | None) -> None:
    if folds is None:
        if fold is not None:
            raise ConfigError(f"fold={fold} needs the number of folds: set folds, such as 5.")
        return
    check_number("folds", folds, minimum=2, maximum=MAX_FOLDS)
    check_number("fold", 0 if fold is None else fold, minimum=0, maximum=folds - 1)
