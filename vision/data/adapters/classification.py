"""A dataset of (image, class index) pairs as a datamodule."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.adapters.pairs import Pairs, to_label
from vision.data.base.classification import ClassificationData
from vision.data.base.images import ImageBatches
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.keywords import Unpack


class LabelledPairs(Dataset[ClassificationSample | ImageSample]):
    """Samples of the pairs.

    Args:
        pairs: The pairs.
        transform: Maps an image to uint8 `(3, H, W)`.
        to_label: Makes the label of a target and of what the sample is called; None makes samples
            with a `path`.
    """

    def __init__(
        self,
        pairs: Pairs,
        transform: TrainTransform | EvalTransform,
        to_label: Callable[[Any, str], Tensor] | None,
    ) -> None:
        self.pairs = pairs
        self.transform = transform
        self.to_label = to_label

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        image, target = self.pairs.read(index)
        changed, place = self.transform(image), self.pairs.place(index)
        if self.to_label is None:
            return {"image": changed, "path": place}
        return {"image": changed, "label": self.to_label(target, place)}

    def __len__(self) -> int:
        return len(self.pairs)


class ClassificationPairs(ClassificationData):
    """A dataset of `(image, class index)` pairs; see `vision.data.from_dataset`.

    Args:
        train: Training pairs.
        val: Validation pairs.
        test: Test pairs; None tests the validation pairs.
        classes: Name of each class, by index.
        image_size: As in `vision.data.ImageFolder`, and so are the next four.
        crop: Share of the resized short side that the central crop keeps in evaluation.
        interpolation: Filter of the resize in evaluation.
        crop_mode: How evaluation makes an image square.
        augment: Options of the augmentation of training images.
        **loading: Other keywords of `ImageData`.

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
        image_size: int = 224,
        crop: float = 0.875,
        interpolation: Interpolation = "bicubic",
        crop_mode: CropMode = "center",
        augment: Augment = NO_OPTIONS,
        **loading: Unpack[ImageBatches],
    ) -> None:
        super().__init__(**loading)
        self.repeats = augment.repeats
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(
            image_size, crop=crop, interpolation=interpolation, crop_mode=crop_mode
        )
        self._classes = tuple(classes)
        self._train, self._val = Pairs(train, "training set"), Pairs(val, "validation set")
        self._test = self._val if test is None else Pairs(test, "test set")

    @staticmethod
    def fits(target: object) -> bool:
        """Whether a target is a class index."""
        return isinstance(target, int | np.integer) or (
            isinstance(target, Tensor | np.ndarray) and target.ndim == 0
        )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by index."""
        return self._classes

    def label_of(self, target: Any, place: str) -> Tensor:
        """The label of a target.

        Args:
            target: The target.
            place: What the sample is called, for errors.

        Raises:
            DataError: It is not what is expected.
        """
        return torch.tensor(to_label(target, self.num_classes, place))

    def setup(self, stage: str) -> None:
        """Make the datasets of every stage; nothing is read."""
        self.train_dataset = LabelledPairs(self._train, self.train_transform, self.label_of)
        self.val_dataset = LabelledPairs(self._val, self.eval_transform, self.label_of)
        self.test_dataset = LabelledPairs(self._test, self.eval_transform, self.label_of)
        self.predict_dataset = LabelledPairs(self._test, self.eval_transform, None)
