"""Images in one folder per class."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

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
    split_classes,
)
from vision.data.files.finding import PathList, find_images, list_folders, require_folder
from vision.data.images.read import read_file
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.errors import DataError, listed, suggest
from vision.keywords import Unpack
from vision.options import check_number
from vision.reading import user_path

SPLITS = ("train", "val", "test")
EXPECTED = (
    "Expected ROOT/train/CLASS/* and ROOT/val/CLASS/* (ROOT/test/CLASS/* may be there too), "
    "or ROOT/CLASS/* to split at random."
)


class FolderSamples(Dataset[ClassificationSample | ImageSample]):
    """Images read from files, with labels, or for prediction with their paths.

    Args:
        paths: The files.
        labels: int64 `(N,)`, class of each file; None makes samples with a `path`.
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
        return {"image": image, "label": torch.tensor(self.labels[index])}

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
    is then held out for validation. Classes are numbered in alphabetical order of the folders.
    Without a test set the validation set is tested; without `predict_root` the test set is
    predicted.

    Args:
        root: The dataset's folder.
        image_size: Side in pixels of the square images that the model gets.
        val_fraction: Share of each class that is held out, in (0, 1); only where `root` has no
            `train` and `val`.
        crop: Share of the resized short side that the central crop keeps in evaluation.
        interpolation: Filter of the resize in evaluation.
        crop_mode: How evaluation makes an image square: "center" takes the central square, "squash"
            ignores the aspect ratio.
        augment: Options of the augmentation of training images.
        predict_root: A folder of images to predict, nested or not.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

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
        **loading: Unpack[ImageBatches],
    ) -> None:
        super().__init__(**loading)
        self.repeats = augment.repeats
        check_number("val_fraction", val_fraction, above=0, below=1)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.val_fraction = val_fraction
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(
            image_size, crop=crop, interpolation=interpolation, crop_mode=crop_mode
        )
        self._found: dict[str, LabelledFiles] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the class folders of the training set, in alphabetical order."""
        folder = self.root / "train" if self.has_splits else self.root
        names = tuple(list_folders(folder))
        if not names:
            loose = find_images(folder)
            instead = f": {len(loose)} images lie in it directly" if loose else ""
            raise DataError(
                f"there are no class folders in '{folder.resolve()}'{instead}. {EXPECTED}"
            )
        return names

    @cached_property
    def has_splits(self) -> bool:
        """Whether `root` has `train` and `val` folders, instead of the class folders themselves.

        Raises:
            DataError: There is no `root`, or one of the two without the other.
        """
        require_folder(self.root, EXPECTED)
        names = list_folders(self.root)
        present = [split for split in ("train", "val") if split in names]
        others = [name for name in names if name not in SPLITS]
        # Among other folders, "train" may be the name of a class: it then holds no folders.
        if not present or (others and not any(list_folders(self.root / s) for s in present)):
            return False
        if len(present) == 1:
            absent = "val" if present == ["train"] else "train"
            near = suggest(absent, others)
            raise DataError(
                f"'{self.root.resolve()}' has '{present[0]}' but no '{absent}'; it has "
                f"{listed(map(repr, names))}.{near} {EXPECTED}"
            )
        return True

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
        for folder in self._split_folders():
            paths |= dict.fromkeys(find_images(folder))
        if self.predict_dataset is not None:
            paths |= dict.fromkeys(self.predict_dataset.paths)  # type: ignore[attr-defined]
        yield ImageFiles(PathList(paths))

    def _folder_problems(self) -> Iterator[str]:
        try:
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
        folders = [self.root / split for split in SPLITS]
        return [folder for folder in folders if folder.is_dir()] or [self.root]

    @property
    def _test_split(self) -> str:
        return "test" if self.has_splits and (self.root / "test").is_dir() else "val"

    def _files(self, split: str) -> LabelledFiles:
        if split not in self._found:
            if self.has_splits:
                self._found[split] = scan_classes(self.root / split, self.class_names)
            else:
                files = scan_classes(self.root, self.class_names)
                train, val = split_classes(
                    files, self.class_names, fraction=self.val_fraction, seed=self.seed
                )
                self._found |= {"train": train, "val": val}
        return self._found[split]

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
