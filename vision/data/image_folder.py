"""Any set of images in one folder per class."""

import logging
import os
import random
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts import ClassificationSample, ImageSample
from vision.data.augment import NO_OPTIONS, Augment, Interpolation
from vision.data.base import DataModule
from vision.data.files import IMAGE_SUFFIXES, PathList, find_images, list_folders, require_folder
from vision.data.images import read_file
from vision.data.transforms import EvalTransform, TrainTransform
from vision.errors import ConfigError, DataError, suggest

logger = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
EXPECTED = (
    "Expected ROOT/train/CLASS/* and ROOT/val/CLASS/* (ROOT/test/CLASS/* may be there too), "
    "or ROOT/CLASS/* to split at random."
)
_SUFFIXES = f"Suffixes of images: {' '.join(IMAGE_SUFFIXES)}."
# How many names an error or a log line lists.
MOST_NAMED = 5


class LabelledFiles(NamedTuple):
    """Image files and their classes, in arrays.

    Attributes:
        paths: The files.
        labels: int64 `(N,)`, class of each file.
    """

    paths: PathList
    labels: np.ndarray

    def take(self, chosen: np.ndarray) -> Self:
        """The files of these indices."""
        return type(self)(PathList(self.paths[i] for i in chosen), self.labels[chosen])


class FolderSamples(Dataset[ClassificationSample | ImageSample]):
    """Images read from files, with labels, or with their paths in place of labels.

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


class ImageFolder(DataModule):
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
        augment: Options of the augmentation of training images.
        predict_root: A folder of images to predict, nested or not.
        batch_size: Images per batch and device.
        num_workers: Processes that read data; None chooses by the CPU cores.
        seed: Seed of the order, of the augmentation and of the random split.

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
        augment: Augment = NO_OPTIONS,
        predict_root: str | os.PathLike[str] | None = None,
        batch_size: int = 32,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        if not 0 < val_fraction < 1:
            raise ConfigError(f"val_fraction={val_fraction} must be between 0 and 1.")
        self.root = Path(root).expanduser()
        self.predict_root = None if predict_root is None else Path(predict_root).expanduser()
        self.val_fraction = val_fraction
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(image_size, crop=crop, interpolation=interpolation)
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
        # Among other folders, one called "train" may well be a class: it then holds no folders.
        if not present or (others and not any(list_folders(self.root / s) for s in present)):
            return False
        if len(present) == 1:
            absent = "val" if present == ["train"] else "train"
            near = suggest(absent, others)
            raise DataError(
                f"'{self.root.resolve()}' has '{present[0]}' but no '{absent}'; it has "
                f"{_listed(names)}.{near} {EXPECTED}"
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
                f"there are no images in '{self.predict_root.resolve()}'{_others(ignored)}. "
                f"{_SUFFIXES}"
            )
        _log_ignored(self.predict_root, ignored)
        return PathList(paths)


def scan_classes(folder: Path, class_names: Sequence[str]) -> LabelledFiles:
    """Find the images of every class.

    Args:
        folder: The folder of the class folders.
        class_names: The classes, by label; some may be absent from `folder`.

    Returns:
        The files in the order of the labels, then of their names.

    Raises:
        DataError: `folder` has a class folder of another name or an empty one, or has no images.
    """
    present = list_folders(folder)
    unknown = [name for name in present if name not in class_names]
    if unknown:
        raise DataError(
            f"'{folder.resolve()}' has the class {_listed(unknown)}, which the training set "
            f"lacks.{suggest(unknown[0], class_names)} The training set has {len(class_names)} "
            f"classes: {_listed(class_names)}."
        )
    paths, counts, ignored = [], [], Counter[str]()
    for name in class_names:
        found = find_images(folder / name, ignored) if name in present else []
        paths += found
        counts.append(len(found))
    empty = [name for name, count in zip(class_names, counts, strict=True) if not count]
    if not paths:
        raise DataError(
            f"there are no images in the {len(present)} class folders of '{folder.resolve()}'"
            f"{_others(ignored)}. {_SUFFIXES}"
        )
    if bare := [name for name in empty if name in present]:
        raise DataError(
            f"'{folder.resolve()}' has class folders without images: {_listed(bare)}"
            f"{_others(ignored)}. Fill them or delete them. {_SUFFIXES}"
        )
    if empty:
        logger.warning("%s has no images of the classes %s", folder, _listed(empty))
    _log_ignored(folder, ignored)
    return LabelledFiles(PathList(paths), np.repeat(np.arange(len(counts)), counts))


def split_classes(
    files: LabelledFiles, class_names: Sequence[str], *, fraction: float, seed: int
) -> tuple[LabelledFiles, LabelledFiles]:
    """Hold out a share of each class.

    The choice in a class depends on its name, its number of files and the seed alone, so that the
    other classes keep theirs when one is added.

    Args:
        files: All files.
        class_names: The classes, by label.
        fraction: Share of each class to hold out, at least one file and not all; of a class with
            a single file nothing is held out.
        seed: Seed of the choice.

    Returns:
        The files that are kept and the files that are held out.

    Raises:
        DataError: Nothing can be held out.
    """
    held_out = np.zeros(len(files.labels), dtype=bool)
    for label, name in enumerate(class_names):
        members = np.flatnonzero(files.labels == label)
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        chosen = random.Random(f"{seed}/{name}").sample(range(len(members)), count)
        held_out[members[chosen]] = True
    if not held_out.any():
        raise DataError(
            f"no images can be held out for validation: each of the {len(class_names)} classes has "
            "a single image. Add images, or give train and val folders."
        )
    return files.take(np.flatnonzero(~held_out)), files.take(np.flatnonzero(held_out))


def _log_ignored(folder: Path, ignored: Counter[str]) -> None:
    if ignored:
        logger.warning(
            "ignored %d files in %s that are not images by their suffix: %s",
            ignored.total(),
            folder,
            _counts(ignored),
        )


def _others(ignored: Counter[str]) -> str:
    return f", but {ignored.total()} other files: {_counts(ignored)}" if ignored else ""


def _counts(ignored: Counter[str]) -> str:
    return ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(MOST_NAMED))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(repr(name) for name in names[:MOST_NAMED]) + more
