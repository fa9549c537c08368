"""Handwritten digits: 1,797 real images that come with scikit-learn (`formats/digits.py`)."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.base.classification import ClassificationData
from vision.data.formats.digits import NATIVE_SIZE, load_digits, split_digits
from vision.data.transforms.classification import whole_square
from vision.options import MAX_SIDE, check_number

MAX_ROTATION_RAD = math.radians(10)
MAX_SHIFT = 0.06  # share of the side


class DigitSamples(Dataset[ClassificationSample | ImageSample]):
    """Samples of some of the digits.

    Args:
        images: uint8 `(N, H, W)`.
        labels: int64 `(N,)`; None makes samples with a `path`.
        names: Number of each image in scikit-learn's set, `(N,)`.
        augment: Whether to rotate and shift each image a little, at random.
    """

    def __init__(
        self, images: Tensor, labels: Tensor | None, names: Tensor, *, augment: bool = False
    ) -> None:
        self.images = images
        self.labels = labels
        self.names = names
        self.augment = augment

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        image = self.images[index]
        if self.augment:
            image = jitter(image)
        image = image.expand(3, -1, -1)
        if self.labels is None:
            return {"image": image, "path": f"digits/{int(self.names[index]):04d}"}
        return {"image": image, "label": self.labels[index]}

    def __len__(self) -> int:
        return len(self.images)


class Digits(ClassificationData):
    """Scikit-learn's handwritten digits, for a first run within a minute.

    The split is fixed: 360 validation images, the same share of each class, and 1,437 training
    images. Testing and predicting use the validation images.

    Args:
        image_size: Side in pixels to which the 8 x 8 images are scaled up.
        batch_size: Images per batch and device.
        num_workers: Processes that read data; the images are in memory, so that 0 is fastest.
        seed: Seed of the order and of the augmentation; the split does not depend on it.
        augment: Whether to rotate (up to 10 degrees) and shift (up to 6 % of the side) the
            training images.

    Raises:
        ConfigError: `image_size` is below 8.
    """

    def __init__(
        self,
        *,
        image_size: int = 32,
        batch_size: int = 64,
        num_workers: int | None = 0,
        seed: int = 0,
        augment: bool = True,
    ) -> None:
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed)
        check_number("image_size", image_size, minimum=NATIVE_SIZE, maximum=MAX_SIDE, unit="pixels")
        self.image_size = image_size
        self.augment = augment

    @property
    def class_names(self) -> tuple[str, ...]:
        """`"0"` to `"9"`."""
        return tuple("0123456789")

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Preprocessing for other images: squashed to the square, without a crop."""
        return whole_square(self.image_size)

    def setup(self, stage: str) -> None:
        """Make the datasets of every stage: they share their images."""
        if self.train_dataset is not None:
            return
        images, labels = load_digits(self.image_size)
        train, held_out = split_digits(labels)
        self.train_dataset = DigitSamples(images[train], labels[train], train, augment=self.augment)
        self.val_dataset = DigitSamples(images[held_out], labels[held_out], held_out)
        self.test_dataset = self.val_dataset
        self.predict_dataset = DigitSamples(images[held_out], None, held_out)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """None: the images are arrays, not files."""
        return iter(())


def jitter(image: Tensor) -> Tensor:
    """Rotate an image around its centre and shift it, a little and at random, filled with black.

    Args:
        image: uint8 `(H, W)`, square.

    Returns:
        uint8 `(H, W)`.
    """
    angle, across, down = (torch.rand(3) * 2 - 1).tolist()
    angle, across, down = angle * MAX_ROTATION_RAD, across * MAX_SHIFT, down * MAX_SHIFT
    cos, sin = math.cos(angle), math.sin(angle)
    # Where each pixel of the result comes from, in coordinates that span the image from -1 to 1.
    theta = torch.tensor([[[cos, -sin, 2 * across], [sin, cos, 2 * down]]])
    grid = F.affine_grid(theta, [1, 1, *image.shape], align_corners=False)
    moved = F.grid_sample(image[None, None].float(), grid, align_corners=False)
    return moved[0, 0].round().byte()
