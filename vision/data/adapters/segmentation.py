"""A dataset of (image, mask) pairs as a datamodule for semantic segmentation."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from vision.contracts.segmentation import IGNORED
from vision.data.adapters.pair_data import PairData
from vision.data.adapters.pairs import Pairs
from vision.data.base.segmentation import (
    SegmentationData,
    SegmentationOptions,
)
from vision.data.classes.label_tables import LabelTable
from vision.data.loading.collate_segmentation import CanvasSample
from vision.data.transforms.segmentation import SegmentationTransform
from vision.errors import DataError
from vision.keywords import Unpack

REMEDY = (
    "The classes are 0 to K - 1: give classes=[...] with the name of each, ignored=[...] for "
    "values that do not count, or reduce_zero_label=True where 1 to K are the classes."
)


class MaskedPairs(Dataset[CanvasSample]):
    """Samples of the pairs.

    Args:
        pairs: The pairs.
        transform: Changes an image and its mask.
        table: The mapping from the values of masks to classes.
        targets: Whether samples have a `mask`.
    """

    def __init__(
        self,
        pairs: Pairs,
        transform: SegmentationTransform,
        table: LabelTable,
        *,
        targets: bool = True,
    ) -> None:
        self.pairs = pairs
        self.transform = transform
        self.table = table
        self.targets = targets

    def __getitem__(self, index: int) -> CanvasSample:
        image, mask = self._read(index)
        changed, changed_mask = self.transform.change(image, mask)
        sample: CanvasSample = {
            "image": changed,
            "original_size": torch.tensor(image.shape[1:]),
            "path": self.pairs.place(index),
        }
        if changed_mask is not None:
            sample["mask"] = torch.from_numpy(changed_mask)
        if self.transform.canvas is not None:
            sample["canvas"] = self.transform.canvas
        return sample

    def example(self, index: int) -> tuple[Tensor, Tensor]:
        """An image and its mask before the transform, for pictures.

        Args:
            index: Number of the sample.

        Returns:
            uint8 `(3, H, W)` RGB, and uint8 `(H, W)` class index or `IGNORED`.

        Raises:
            DataError: They do not fit.
        """
        image, mask = self._read(index)
        assert mask is not None, "pictures are drawn of samples with masks"
        return image, torch.from_numpy(mask)

    def __len__(self) -> int:
        return len(self.pairs)

    def _read(self, index: int) -> tuple[Tensor, np.ndarray | None]:
        image, target = self.pairs.read(index)
        if not self.targets:
            return image, None
        place = self.pairs.place(index)
        labels = to_mask(target, place)
        if labels.shape != tuple(image.shape[1:]):
            raise DataError(
                f"{place} has a mask of {labels.shape[0]} x {labels.shape[1]} pixels (height x "
                f"width), but an image of {image.shape[1]} x {image.shape[2]}. Each pixel of the "
                "image needs one of the mask."
            )
        return image, self.table.apply(labels, place)


def to_mask(value: object, place: str) -> np.ndarray:
    """The values of a mask, uint8 or uint16 `(H, W)`.

    Args:
        value: A Pillow image of indices (grey or palette), or an array or tensor of whole numbers,
            `(H, W)` or `(1, H, W)`.
        place: What the sample is called, for errors.

    Raises:
        DataError: It is neither, or has values outside of 0..65535.
    """
    array = value
    if isinstance(value, Image.Image):
        array = np.array(value)
    elif isinstance(value, Tensor):
        array = value.detach().as_subclass(Tensor).cpu().numpy()
    expected = "expected a class index for each pixel, whole numbers (H, W)"
    if not isinstance(array, np.ndarray):
        raise DataError(f"{place} has a {type(value).__name__} for a mask; {expected}.")
    if array.ndim == 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 2 or array.dtype.kind not in "bui":
        raise DataError(
            f"{place} has a mask of {array.dtype} {array.shape}; {expected}. Masks are not scaled "
            "to 0..1 as images are (ToTensor does): use PILToTensor, or a target_transform."
        )
    low, high = (int(limit(array, initial=0)) for limit in (np.min, np.max))
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise DataError(f"{place} has a mask with values from {low} to {high}; {expected}.")
    return array.astype(np.uint8 if high <= np.iinfo(np.uint8).max else np.uint16)


class SegmentationPairs(PairData, SegmentationData):
    """A dataset of `(image, mask)` pairs; see `vision.data.from_dataset`.

    Args:
        train: Training pairs.
        val: Validation pairs.
        test: Test pairs; None tests the validation pairs.
        classes: Name of each class, by index.
        ignored: Values of pixels that are neither learnt from nor counted.
        reduce_zero_label: Whether 0 in the masks is ignored, and 1 to K are the classes.
        **options: Other keywords of `SegmentationData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        train: Any,
        val: Any,
        test: Any = None,
        classes: Sequence[str],
        ignored: Sequence[int] = (IGNORED,),
        reduce_zero_label: bool = False,
        **options: Unpack[SegmentationOptions],
    ) -> None:
        super().__init__(**options)
        self._classes = tuple(classes)
        self._ignored = tuple(ignored)
        self._reduce_zero_label = reduce_zero_label
        self._train, self._val = Pairs(train, "training set"), Pairs(val, "validation set")
        self._test = self._val if test is None else Pairs(test, "test set")

    @staticmethod
    def fits(target: object) -> bool:
        """Whether a target is a mask."""
        is_array = isinstance(target, Tensor | np.ndarray) and target.ndim >= 2
        return isinstance(target, Image.Image) or is_array

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by index."""
        return self._classes

    @cached_property
    def label_table(self) -> LabelTable:
        """The mapping from the values of masks to classes."""
        return LabelTable.classes(
            len(self._classes),
            reduce_zero_label=self._reduce_zero_label,
            ignored=self._ignored,
            remedy=REMEDY,
        )

    def setup(self, stage: str) -> None:
        """Make the datasets of every stage; nothing is read."""
        self.train_dataset = MaskedPairs(self._train, self.train_transform, self.label_table)
        self.val_dataset = MaskedPairs(self._val, self.eval_transform, self.label_table)
        self.test_dataset = MaskedPairs(self._test, self.eval_transform, self.label_table)
        self.predict_dataset = MaskedPairs(
            self._test, self.eval_transform, self.label_table, targets=False
        )
