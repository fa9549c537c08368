"""The base of the panoptic datasets whose annotations are files in COCO's panoptic format."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.panoptic import PanopticData, PanopticLoading, PanopticOptions, Split
from vision.data.check.classes import numbered_classes, require_same_classes
from vision.data.check.detection_problems import problems_of_layout
from vision.data.check.panoptic_problems import CheckedSegments
from vision.data.check.problems import ImageFiles
from vision.data.files.array_cache import default_cache_dir
from vision.data.files.finding import PathList, list_folders, require_folder
from vision.data.formats.panoptic import (
    CheckedPanoptic,
    PanopticAnnotations,
    check_panoptic,
    read_panoptic,
)
from vision.data.index.mask_pairs import find_some_images
from vision.data.index.panoptic import PanopticIndex
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.errors import DataError, suggest
from vision.keywords import Unpack
from vision.reading import user_path


class PanopticPaths(NamedTuple):
    """Paths of a split.

    Attributes:
        annotations: The JSON file.
        images: The folder of the images.
        masks: The folder of the PNG files.
    """

    annotations: Path
    images: Path
    masks: Path


class PanopticFileLoading(PanopticLoading, total=False):
    """Keywords that datasets with their own default sizes pass on to `PanopticFiles`."""

    predict_root: str | os.PathLike[str] | None
    cache_dir: str | os.PathLike[str] | None


class PanopticFileOptions(PanopticFileLoading, total=False):
    """Keywords that other datasets pass on to `PanopticFiles`."""

    augment: PanopticAugment
    long_side: int | None
    canvas: tuple[int, int] | None


class PanopticFiles(PanopticData):
    """A panoptic dataset in COCO's format: a JSON file and a folder of PNG files for each split.

    The classes are the categories by ascending id, as the training set lists them; every split has
    to have the same ones.

    Args:
        predict_root: A folder of images to predict, nested or not; None predicts the test images,
            or the validation set where there are none.
        cache_dir: Folder where parsed annotations are kept for the next start; "" or None keeps
            none; "default" is `vision/annotations` in `$XDG_CACHE_HOME` or `~/.cache`.
        **options: Other keywords of `PanopticData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    # Whether a listed segment may have no pixel.
    hidden = False

    def __init__(
        self,
        *,
        predict_root: str | os.PathLike[str] | None = None,
        cache_dir: str | os.PathLike[str] | None = "default",
        **options: Unpack[PanopticOptions],
    ) -> None:
        super().__init__(**options)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        if cache_dir == "default":
            self.cache_dir: Path | None = default_cache_dir()
        else:
            self.cache_dir = Path(cache_dir).expanduser() if cache_dir else None
        self._annotations: dict[Split, PanopticAnnotations] = {}

    @abstractmethod
    def paths(self, split: Split) -> PanopticPaths:
        """The paths of a split.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            ConfigError: They were not given.
        """

    @property
    @abstractmethod
    def check_options(self) -> str:
        """Name and options of this dataset on the command line, for messages."""

    @property
    def test_images(self) -> Path | None:
        """Folder of the test images, whose segments were never published; None without it."""
        return None

    @property
    def naming_split(self) -> Split:
        """The split that defines the classes: the training set, or the validation set without."""
        return "train" if self.paths("train").annotations.is_file() else "val"

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, the test images, or the validation set without them."""
        folder = self.test_images
        there = self.predict_root is not None or (folder is not None and folder.is_dir())
        return "predict" if there else self.test_split

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each category, by ascending id."""
        return self.annotations(self.naming_split).class_names

    @property
    def category_ids(self) -> np.ndarray:
        """Id of each category, ascending."""
        return self.annotations(self.naming_split).category_ids

    @property
    def things(self) -> list[int]:
        """The categories with `isthing` 1."""
        return np.flatnonzero(self.annotations(self.naming_split).things).tolist()

    @property
    def palette(self) -> np.ndarray | None:
        """The `color` of each category; None if one has none."""
        return self.annotations(self.naming_split).colors

    def image_name(self, number: str, file_name: str) -> str:
        """The file of an image, below the folder of images.

        Args:
            number: Id of the image.
            file_name: Its file as annotated.
        """
        return file_name

    def annotations(self, split: Split) -> PanopticAnnotations:
        """The annotations of a split, read when they are first asked for.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            ConfigError: Their paths were not given.
            DataError: The file is absent, damaged or has problems.
        """
        if split not in self._annotations:
            paths = self.paths(split)
            self._require_file(paths.annotations)
            self._annotations[split] = read_panoptic(
                *paths,
                image_name=self.image_name,
                hidden=self.hidden,
                cache_dir=self.cache_dir,
                check=self.check_options,
            )
        return self._annotations[split]

    def read_index(self, split: Split) -> PanopticIndex:
        """Read the annotation file of a split, or list the images to predict.

        Raises:
            ConfigError: Its paths were not given.
            DataError: A file is absent, damaged or has problems, or splits differ in classes.
        """
        if split == "predict":
            folder = self.predict_root or self.test_images
            assert folder is not None, "there is a folder to predict"
            found = find_some_images(folder, "Expected a folder of images, nested or not.")
            return PanopticIndex(images=PathList(found))
        own = self.annotations(split)
        paths = self.paths(split)
        require_folder(paths.images, self.expected)
        require_folder(paths.masks, self.expected)
        self.check_classes(own, split)
        return own.index

    def check_classes(self, annotations: PanopticAnnotations, split: Split) -> None:
        """Raise an error unless a split has the classes of the split that defines them.

        Raises:
            DataError: It has others.
        """
        naming = self.naming_split
        own, wanted = (
            described_classes(numbered_classes(one.category_ids, one.class_names), one.things)
            for one in (annotations, self.annotations(naming))
        )
        require_same_classes(own, wanted, names=(split, naming))

    def prepare_data(self) -> None:
        """Parse the annotations once, on one process of each machine; the others map the result."""
        if self.cache_dir is not None:
            for split in self._known_splits():
                self.annotations(split)

    def layout_problems(self) -> Iterator[str]:
        """Problems that stop `setup`, except those reported for single annotations."""
        return problems_of_layout(self)

    def annotation_problems(self) -> Iterator[str]:
        """All problems of the annotation files, with file and id."""
        for checked in self._checked.values():
            yield from checked.problems

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images and segments of every split, also of annotation files with problems."""
        yield from super().samples_to_check()
        for split, checked in self._checked.items():
            paths, found = self.paths(split), checked.readable
            there = paths.images.is_dir() and paths.masks.is_dir()
            if split in self._indices or found is None or not there:
                continue
            index = found.index
            others = np.setdiff1d(np.arange(len(index)), checked.whole)
            yield CheckedSegments(index.take(checked.whole), split, found.class_names, found.things)
            yield ImageFiles(index.take(others).images)

    @cached_property
    def _checked(self) -> dict[Split, CheckedPanoptic]:
        return {
            split: check_panoptic(
                *self.paths(split), image_name=self.image_name, hidden=self.hidden
            )
            for split in self._known_splits()
        }

    def _known_splits(self) -> list[Split]:
        """The splits whose annotation file exists."""
        splits: tuple[Split, ...] = ("train", "val")
        return [split for split in splits if self.paths(split).annotations.is_file()]

    def _require_file(self, path: Path) -> None:
        if path.is_file():
            return
        require_folder(path.parent, self.expected)
        folders = ", ".join(list_folders(path.parent)) or "no folders"
        near = suggest(path.name, [other.name for other in path.parent.glob("*.json")])
        raise DataError(
            f"there is no annotation file '{path.resolve()}' ('{path.parent.resolve()}' has "
            f"{folders}).{near} {self.expected}".rstrip()
        )


def described_classes(names: Sequence[str], things: np.ndarray) -> list[str]:
    """The classes in words: their names, and whether they are things."""
    return [
        f"{name} ({'thing' if thing else 'stuff'})"
        for name, thing in zip(names, things.tolist(), strict=True)
    ]
