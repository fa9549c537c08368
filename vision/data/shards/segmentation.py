"""Images with a class for each pixel in tar shards."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.segmentation import (
    SegmentationData,
    SegmentationIndex,
    SegmentationOptions,
    Split,
)
from vision.data.check.segmentation_problems import CheckedPairs
from vision.data.classes.label_tables import LabelTable
from vision.data.images.read import EncodedImage
from vision.data.index.segmentation import StoredMask
from vision.data.shards.datamodule import SPLITS, ShardedData, ShardOptions
from vision.data.shards.reader import ShardReader
from vision.keywords import Unpack
from vision.ops.label_images import decode_labels


class MemberNames(Sequence[str]):
    """The names of the images or masks in shards, each read on demand.

    Args:
        reader: Reads the shards.
        masks: Whether to name the masks instead of the images.
    """

    def __init__(self, reader: ShardReader, *, masks: bool = False) -> None:
        self.reader = reader
        self.masks = masks

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        return self.reader.name(place, mask=self.masks)

    def __len__(self) -> int:
        return len(self.reader.index)


@dataclass(frozen=True, kw_only=True)
class ShardedSegmentationIndex(SegmentationIndex):
    """The images and masks of a split in shards.

    Attributes:
        reader: Reads them.
    """

    reader: ShardReader

    def image(self, place: int) -> EncodedImage:
        """The bytes of an image, by its index in the split.

        Raises:
            DataError: Its shard cannot be read.
        """
        return self.reader.read(place)

    def mask_file(self, place: int) -> EncodedImage:
        """The bytes of the mask of an image.

        Raises:
            DataError: Its shard cannot be read.
        """
        return self.reader.read_mask(place)

    def mask(self, place: int) -> StoredMask:
        """The mask of an image.

        Raises:
            DataError: Its shard cannot be read.
            ImageError: The mask cannot be decoded.
        """
        encoded = self.mask_file(place)
        return StoredMask(decode_labels(encoded.data, encoded.name), encoded.name)


class SegmentationShardOptions(ShardOptions, SegmentationOptions, total=False):
    """Keywords that `SegmentationShards` passes on."""


class SegmentationShards(ShardedData, SegmentationData):
    """A dataset of images with a class for each pixel in tar shards.

    `root` has the folders `train`, `val` and optionally `test`, each with `*.tar`, `index.json` and
    `index.npy`: `vision shard` makes them from any dataset for segmentation. A mask is a grey PNG
    of class indices, with 255 for ignored pixels. Without a test set the validation set is tested
    and predicted.

    Args:
        root: The dataset's folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        **options: Other keywords of `ShardedData` and `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        **options: Unpack[SegmentationShardOptions],
    ) -> None:
        super().__init__(root=root, **options)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the index of the training set."""
        return self.shards("train").class_names

    @cached_property
    def label_table(self) -> LabelTable:
        """The classes by their index, and 255 for ignored pixels."""
        return LabelTable.classes(self.num_classes)

    @property
    def palette(self) -> np.ndarray | None:
        """The colours of the dataset that the shards were made from."""
        return _bytes(self.shards("train").about.palette)

    @property
    def prediction_values(self) -> np.ndarray | None:
        """The values of the dataset that the shards were made from."""
        return _bytes(self.shards("train").about.prediction_values)

    def read_index(self, split: Split) -> SegmentationIndex:
        """Read the places of the images and masks of a split.

        Raises:
            ConfigError: The cache is too small for the shards needed at a time.
            DataError: The index is absent or damaged.
        """
        reader = self.reader(split)
        return ShardedSegmentationIndex(
            images=MemberNames(reader), masks=MemberNames(reader, masks=True), reader=reader
        )

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images and masks of every split whose index can be read."""
        for split in SPLITS:
            if split in self._shards:
                index = self.read_index(split)  # type: ignore[arg-type]
                yield CheckedPairs(index, self.label_table, split, self.class_names)

    def scan(self, split: Split) -> None:
        """Read a few masks of a split, unless a shard would be fetched for each of them."""
        if self.cache is None:
            super().scan(split)


def _bytes(values: Sequence[Any] | None) -> np.ndarray | None:
    return None if values is None else np.array(values, dtype=np.uint8)
