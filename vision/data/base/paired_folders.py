"""The base of datasets of one's own: a folder of images and one of the files that go with them."""

import os
import random
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from vision.data.base.splits import Index, Split, SplitData
from vision.data.files.finding import PathList, list_folders, require_folder
from vision.data.index.mask_pairs import MASK_SUFFIX, find_some_images, pair_folders
from vision.errors import DataError, listed_lines, suggest
from vision.options import check_number
from vision.program import command
from vision.reading import user_path

SPLITS: tuple[Split, ...] = ("train", "val", "test")


class PairedFolders(SplitData[Index]):
    """A dataset with one folder of images and one of a file for each.

    The tree is `root/images/{train,val[,test]}/**` and the same for the other folder, or
    `root/images/**` and the other folder, of which a share is then held out for validation. A file
    has the path of its image but for the suffix.

    Without such files for a test set the validation set is tested; without `predict_root` the
    images of the test set, or else of the validation set, are predicted.

    Args:
        root: The dataset's folder.
        val_fraction: Share of the images that is held out, in (0, 1); only where `root/images` has
            no `train` and `val`.
        predict_root: A folder of images to predict, nested or not.
        **options: Other keywords of `SplitData`.

    Attributes:
        folder: Name of the other folder.
        what: What messages call one of its files.
        suffixes: Suffixes of its files.
        kind_of_file: What messages call their format.

    Raises:
        ConfigError: An option is out of its range.
    """

    folder: str
    what: str
    suffixes: tuple[str, ...] = (MASK_SUFFIX,)
    kind_of_file = "a PNG file"

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        val_fraction: float = 0.2,
        predict_root: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_number("val_fraction", val_fraction, above=0, below=1)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self.val_fraction = val_fraction
        self._lenient = False

    @abstractmethod
    def make_index(self, images: PathList, others: PathList | None) -> Index:
        """The index of some images, and of their files if there are any."""

    @cached_property
    def has_splits(self) -> bool:
        """Whether `root/images` has `train` and `val` folders, instead of the images themselves.

        Raises:
            DataError: There is no `root/images`, or one of the two without the other.
        """
        folder = self.root / "images"
        require_folder(folder, self.expected)
        names = list_folders(folder)
        present = [split for split in ("train", "val") if split in names]
        if len(present) == 1:
            absent = "val" if present == ["train"] else "train"
            near = suggest(absent, [name for name in names if name not in SPLITS])
            raise DataError(
                f"'{folder.resolve()}' has '{present[0]}' but no '{absent}'.{near} {self.expected}"
            )
        return bool(present)

    @property
    def test_split(self) -> Split:
        """The test set where it has files beside its images, or else the validation set."""
        return "test" if self._has_test and (self.root / self.folder / "test").is_dir() else "val"

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, or of the test set, or else of the validation set."""
        if self.predict_root is not None:
            return "predict"
        return "test" if self._has_test else "val"

    def read_index(self, split: Split) -> Index:
        """Find the images of a split and their files.

        Raises:
            DataError: A folder is absent or empty, or a file is without its counterpart.
        """
        if split == "predict":
            assert self.predict_root is not None
            expected = "Expected a folder of images, nested or not."
            return self.make_index(PathList(find_some_images(self.predict_root, expected)), None)
        if split == "test" and not (self.root / self.folder / "test").is_dir():
            folder = self.root / "images" / "test"
            return self.make_index(PathList(find_some_images(folder, self.expected)), None)
        part = split if self.has_splits else None
        images, others, problems = self._pairs(part)
        if problems and not self._lenient:
            raise DataError(
                f"files that are not paired in '{self.root.resolve()}':\n"
                f"{listed_lines(problems)}\n{self.expected}\n"
                f"`{command('check-dataset')} {type(self).__name__} "
                f"--root {self.root}` lists everything that is wrong."
            )
        if part is None:
            chosen = self._share(len(images), split).tolist()
            images, others = ([paths[place] for place in chosen] for paths in (images, others))
        return self.make_index(PathList(images), PathList(others))

    def layout_problems(self) -> Iterator[str]:
        """Every file without its counterpart, and other problems.

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
                yield from self._pairs(part)[2]
        except DataError:
            return  # setup finds the same

    def _pairs(self, part: str | None) -> tuple[list[str], list[str], list[str]]:
        images, others = (self.root / name / (part or "") for name in ("images", self.folder))
        return pair_folders(
            images,
            others,
            suffixes=self.suffixes,
            what=self.what,
            kind=self.kind_of_file,
            expected=self.expected,
        )

    def _share(self, count: int, split: Split) -> np.ndarray:
        """The indices of the files of a random split, from the seed and the number of files."""
        if count < 2:
            raise DataError(
                f"'{self.root.resolve()}' has {count} image with a {self.what}: none can be held "
                f"out for validation. {self.expected}"
            )
        held_out = min(max(1, round(self.val_fraction * count)), count - 1)
        chosen = np.zeros(count, dtype=bool)
        chosen[random.Random(f"{self.seed}/masks").sample(range(count), held_out)] = True
        return np.flatnonzero(~chosen if split == "train" else chosen)
