"""Images and labels in tar shards."""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.base.classification import ClassificationData
from vision.data.base.images import ImageBatches
from vision.data.images.read import decode_image
from vision.data.shards.datamodule import SPLITS, ShardedData, ShardOptions
from vision.data.shards.reader import ShardReader
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.keywords import Unpack


class ShardSamples(Dataset[ClassificationSample | ImageSample]):
    """Images read from shards, with labels, or for prediction with their paths.

    Args:
        reader: Reads the files from the shards.
        transform: Decodes a file into uint8 `(3, H, W)`.
        labelled: Whether samples have a `label`, not a `path`.
    """

    def __init__(
        self,
        reader: ShardReader,
        transform: TrainTransform | EvalTransform,
        *,
        labelled: bool = True,
    ) -> None:
        self.reader = reader
        self.transform = transform
        self.labelled = labelled

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        encoded = self.reader.read(index)
        image = self.transform.decode(encoded)
        if not self.labelled:
            return {"image": image, "path": encoded.name}
        label = int(self.reader.index.places["label"][index])
        return {"image": image, "label": torch.tensor(label)}

    def __len__(self) -> int:
        return len(self.reader.index)

    @property
    def labels(self) -> np.ndarray | None:
        """Class of each image, `(N,)`; None if samples have no labels."""
        return self.reader.index.places["label"] if self.labelled else None


class ShardImages(Dataset[None]):
    """Images of shards to decode, only to see whether that works.

    Args:
        reader: Reads the files from the shards.
    """

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader

    def __getitem__(self, index: int) -> None:
        """Decode an image, whole.

        Raises:
            DataError: The shard cannot be read, or the image cannot be decoded.
        """
        decode_image(self.reader.read(index), strict=True)

    def __len__(self) -> int:
        return len(self.reader.index)


class ImageShardOptions(ShardOptions, ImageBatches, total=False):
    """Keywords that `ImageShards` passes on."""


class ImageShards(ShardedData, ClassificationData):
    """A classification dataset in tar shards of the WebDataset layout, with an index.

    `root` has the folders `train`, `val` and optionally `test`, each with `*.tar`, `index.json` and
    `index.npy`: `vision shard` makes them. Without a test set the validation set is tested and
    predicted.

    Args:
        root: The dataset's folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        image_size: Side in pixels of the square images that the model gets.
        crop: Share of the resized short side that the central crop keeps in evaluation.
        interpolation: Filter of the resize in evaluation.
        crop_mode: Whether evaluation takes the central square, or squashes the image to a square.
        augment: Options of the augmentation of training images.
        **options: Other keywords of `ShardedData` and `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        image_size: int = 224,
        crop: float = 0.875,
        interpolation: Interpolation = "bicubic",
        crop_mode: CropMode = "center",
        augment: Augment = NO_OPTIONS,
        **options: Unpack[ImageShardOptions],
    ) -> None:
        super().__init__(root=root, **options)
        self.repeats = augment.repeats
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(
            image_size, crop=crop, interpolation=interpolation, crop_mode=crop_mode
        )

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the index of the training set."""
        return self.shards("train").class_names

    def setup(self, stage: str) -> None:
        """Read the index of a stage's shards and make its datasets.

        Raises:
            ConfigError: The cache is too small for the shards needed at a time.
            DataError: An index is absent or damaged, or has other classes.
        """
        if stage == "fit":
            self.train_dataset = ShardSamples(self.reader("train"), self.train_transform)
        if stage in ("fit", "validate"):
            self.val_dataset = ShardSamples(self.reader("val"), self.eval_transform)
        if stage in ("test", "predict"):
            reader = self.reader(self.test_split)
            samples = ShardSamples(reader, self.eval_transform, labelled=stage == "test")
            setattr(self, f"{stage}_dataset", samples)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of every split whose index can be read."""
        for split in SPLITS:
            if split in self._shards:
                yield ShardImages(self.reader(split))
