"""The base of the published segmentation datasets, whose masks have the names of the images."""

import os
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

import numpy as np

from vision.data.base.segmentation import (
    SegmentationData,
    SegmentationIndex,
    SegmentationOptions,
    Split,
)
from vision.data.check.problems import collected_problems
from vision.data.files.finding import PathList
from vision.data.files.noted_problems import NotedProblems
from vision.data.index.mask_pairs import Pairs, find_some_images
from vision.keywords import Unpack
from vision.ops.label_images import read_labels
from vision.reading import user_path


class SegmentationFolders(SegmentationData):
    """A segmentation dataset in a folder.

    A subclass pairs the files of a split. An image without a mask, or the reverse, ends a run,
    while a check of the dataset lists all of them and continues with the others.

    Args:
        root: The dataset's folder.
        predict_root: A folder of images to predict, nested or not; None predicts the test images,
            or the validation set where there are none.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        predict_root: str | os.PathLike[str] | None = None,
        **options: Unpack[SegmentationOptions],
    ) -> None:
        super().__init__(**options)
        self.root = user_path(root)
        self.predict_root = None if predict_root is None else user_path(predict_root)
        self._unpaired = NotedProblems()

    @abstractmethod
    def find_pairs(self, split: Split) -> Pairs:
        """Find the images and masks of a split.

        Args:
            split: `"train"` or `"val"`.

        Raises:
            DataError: A folder or a list is absent, or there are no images.
        """

    def find_test_images(self) -> list[str]:
        """The test images, whose masks were never published; empty without them."""
        return []

    @staticmethod
    def read_mask(path: str) -> np.ndarray:
        """Read the values of a mask file: uint8 or uint16 `(H, W)`.

        Raises:
            DataError: It cannot be read.
        """
        return read_labels(path)

    @property
    def predict_split(self) -> Split:
        """The images of `predict_root`, the test images, or the validation set without them."""
        return "predict" if self.predict_root is not None or self._test_images else self.test_split

    def read_index(self, split: Split) -> SegmentationIndex:
        """Find the files of a split.

        Raises:
            DataError: Files are absent or not in the expected layout.
        """
        if split == "predict":
            return SegmentationIndex(images=PathList(self._images_to_predict()))
        pairs = self.find_pairs(split)
        where = f"the {split} set in '{self.root.resolve()}'"
        self._unpaired.note(pairs.problems, pairs.heading(where), self.expected)
        return replace(pairs.index, read_mask=self.read_mask)

    def layout_problems(self) -> Iterator[str]:
        """Every unpaired file, and other problems that stop `setup`."""
        yield from collected_problems(self, self._unpaired)

    @cached_property
    def _test_images(self) -> list[str]:
        return self.find_test_images()

    def _images_to_predict(self) -> list[str]:
        if self.predict_root is None:
            return self._test_images
        return find_some_images(self.predict_root, "Expected a folder of images, nested or not.")
