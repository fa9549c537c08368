"""ImageNet-1k and ImageNet-22k, in the folders of the official archives."""

import logging
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from vision.data.datasets.image_folder import FolderOptions, ImageFolder
from vision.data.files.class_folders import LabelledFiles, scan_classes
from vision.data.files.finding import PathList, find_images, list_folders, require_folder
from vision.data.files.folds import split_classes
from vision.data.formats.imagenet_labels import (
    CLASSES_1K,
    DEVKIT,
    GROUND_TRUTH,
    KAGGLE_LABELS,
    META,
    TRAIN_1K,
    VAL_1K,
    WNID,
    official_wnids,
    read_devkit,
    read_kaggle_labels,
    readable_names,
    val_wnid,
)
from vision.errors import DataError, listed, suggest
from vision.keywords import Unpack
from vision.program import with_commands

logger = logging.getLogger(__name__)

KAGGLE_TREE = Path("ILSVRC/Data/CLS-LOC")
_OFFICIAL = {"train": TRAIN_1K, "val": VAL_1K}


def _expected() -> str:
    """What a folder must hold, for the messages of errors."""
    return with_commands(
        "Expected ROOT/train/nXXXXXXXX/*.JPEG and ROOT/val (ImageNet-1k), or ROOT/nXXXXXXXX/*.JPEG "
        "(ImageNet-22k); `vision prepare-imagenet` makes them of the official archives."
    )


class ImageNet(ImageFolder):
    """ImageNet with its WordNet ids as class folders.

    ImageNet-1k: "ImageNet Large Scale Visual Recognition Challenge", Russakovsky et al., 2015,
    arXiv 1409.0575; `root/train/nXXXXXXXX/*.JPEG`, and `root/val` sorted likewise, or flat beside
    the development kit, whose labels are then read. `root` may be Kaggle's tree as well. The test
    labels were never published: the validation set is tested.

    ImageNet-22k: "ImageNet: A Large-Scale Hierarchical Image Database", Deng et al., 2009;
    `root/nXXXXXXXX/*.JPEG`, of which a share of each class is held out for validation.

    Classes are numbered in alphabetical order of their ids; for the 1000 classes of ImageNet-1k
    that is the order of all published weights. Some of them may be absent; the others are then
    numbered without them.

    Args:
        root: The dataset's folder.
        val_fraction: Share of each class that is held out, in (0, 1); ImageNet-22k only.
        **options: Other keywords of `ImageFolder`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        val_fraction: float = 0.02,
        **options: Unpack[FolderOptions],
    ) -> None:
        super().__init__(root=root, val_fraction=val_fraction, **options)
        self.kaggle_labels = self.root / KAGGLE_LABELS
        if (self.root / KAGGLE_TREE).is_dir():
            self.root = self.root / KAGGLE_TREE

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Class names by label, such as `"n01440764 tench"`."""
        return readable_names(self.wnids)

    @cached_property
    def wnids(self) -> tuple[str, ...]:
        """WordNet id of each class, by label: the class folders in alphabetical order.

        Raises:
            DataError: There are no class folders, or there are folders with other names.
        """
        folder = self.root / "train" if self.has_splits else self.root
        names = list_folders(folder)
        wnids = tuple(name for name in names if WNID.fullmatch(name))
        if not wnids:
            found = f" (it has {listed(map(repr, names))})" if names else ""
            raise DataError(
                f"there are no class folders in '{folder.resolve()}'{found}. {_expected()}"
            )
        if len(wnids) < len(names):
            wrong = next(name for name in names if not WNID.fullmatch(name))
            raise DataError(_no_class(folder, wrong, wnids))
        return wnids

    @cached_property
    def has_splits(self) -> bool:
        """Whether `root` has `train` and `val` folders, instead of the class folders themselves.

        Raises:
            DataError: There is no `root`, or one of the two without the other.
        """
        require_folder(self.root, _expected())
        names = list_folders(self.root)
        absent = [split for split in ("train", "val") if split not in names]
        if len(absent) == 1:
            others = [name for name in names if name not in ("train", "val")]
            raise DataError(
                f"'{self.root.resolve()}' has no '{absent[0]}'.{suggest(absent[0], others)} "
                f"{_expected()}"
            )
        return not absent

    def _folder_problems(self) -> Iterator[str]:
        if not self.root.is_dir():
            return
        names = self._folder_names
        wnids = [name for name in names if WNID.fullmatch(name)]
        for name in names:
            if wnids and not WNID.fullmatch(name):
                yield _no_class(self._training_folder, name, wnids)
        yield from super()._folder_problems()

    @property
    def _folder_names(self) -> tuple[str, ...]:
        return tuple(list_folders(self._training_folder))

    @property
    def _training_folder(self) -> Path:
        training = self.root / "train"
        return training if training.is_dir() else self.root

    @property
    def _test_split(self) -> str:
        return "val"

    def _files(self, split: str) -> LabelledFiles:
        if split not in self._found:
            if not self.has_splits:
                files = scan_classes(self.root, self.wnids)
                logger.info("found %d classes, %s images", len(self.wnids), f"{len(files[1]):,}")
                train, val = split_classes(
                    files, self.wnids, fraction=self.val_fraction, seed=self.seed
                )
                self._found |= {"train": train, "val": val}
            else:
                is_flat = split == "val" and not list_folders(self.root / split)
                files = self._flat_val() if is_flat else scan_classes(self.root / split, self.wnids)
                self._found[split] = files
                _log_found(split, self.wnids, len(files.labels))
        return self._found[split]

    def _flat_val(self) -> LabelledFiles:
        """The validation images of the official archive, unsorted, with labels from a list."""
        folder = self.root / "val"
        paths = find_images(folder)
        if not paths:
            raise DataError(f"there are no images in '{folder.resolve()}'. {_expected()}")
        names = [os.path.basename(path) for path in paths]
        label_of = {wnid: label for label, wnid in enumerate(self.wnids)}
        labels = np.array([label_of.get(wnid, -1) for wnid in self._val_wnids(names)])
        if not (labels >= 0).any():
            raise DataError(
                f"none of the {len(paths):,} images in '{folder.resolve()}' belongs to the "
                f"{len(self.wnids)} classes in '{self.root.resolve() / 'train'}'."
            )
        if left_out := int((labels < 0).sum()):
            logger.warning(
                "left out %d images of %s of classes without training images", left_out, folder
            )
        # By label, then by name, as if they were in class folders.
        order = np.argsort(labels, kind="stable")[left_out:]
        return LabelledFiles(PathList(paths[i] for i in order), labels[order])

    def _val_wnids(self, names: list[str]) -> list[str]:
        folder = self.root / "val"
        devkit = self.root / DEVKIT / "data"
        if devkit.is_dir():
            kit = read_devkit(devkit)
            return [val_wnid(name, kit, f"'{folder}'") for name in names]
        if not self.kaggle_labels.is_file():
            raise DataError(
                f"'{folder.resolve()}' has {len(names):,} images but no class folders; their "
                f"labels are read from '{devkit.resolve()}' ({META}, {GROUND_TRUTH}), which is "
                f"absent. Unpack {DEVKIT}.tar.gz in '{self.root.resolve()}'."
            )
        known = read_kaggle_labels(self.kaggle_labels)
        stems = [os.path.splitext(name)[0] for name in names]
        if unknown := [stem for stem in stems if stem not in known]:
            raise DataError(
                f"'{self.kaggle_labels}' has no label for '{unknown[0]}' in '{folder}' "
                f"({len(unknown):,} such images)."
            )
        return [known[stem] for stem in stems]


def _no_class(folder: Path, name: str, wnids: Sequence[str]) -> str:
    return (
        f"'{folder.resolve() / name}' is not a class of ImageNet: class folders are named by "
        f"WordNet id, 'n' and eight digits.{suggest(name, wnids)} Move it elsewhere, or use "
        "ImageFolder for images with other classes."
    )


def _log_found(split: str, wnids: tuple[str, ...], count: int) -> None:
    known = official_wnids()
    if not known.issuperset(wnids):  # another selection of classes, split into train and val
        logger.info("%s: found %d classes, %s images", split, len(wnids), f"{count:,}")
        return
    is_whole = (len(wnids), count) == (CLASSES_1K, _OFFICIAL[split])
    logger.log(
        logging.INFO if is_whole else logging.WARNING,
        "%s: found %d of %d classes, %s images (official: %s)",
        split,
        len(wnids),
        CLASSES_1K,
        f"{count:,}",
        f"{_OFFICIAL[split]:,}",
    )
