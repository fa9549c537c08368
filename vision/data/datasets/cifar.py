"""CIFAR-10 and CIFAR-100, from the official files for Python.

"Learning Multiple Layers of Features from Tiny Images", A. Krizhevsky, 2009. The files are pickles
of Python 2; they are read without running code from them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import v2

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.base.classification import ClassificationData
from vision.data.base.datamodule import Loading
from vision.data.formats.cifar import (
    CHANNELS,
    CIFAR10_LAYOUT,
    CIFAR100_LAYOUT,
    SIDE,
    read_files,
    read_names,
    take_images,
)
from vision.data.transforms.classification import whole_square
from vision.errors import DataError
from vision.keywords import Unpack
from vision.options import IMAGE_SIDE, MAX_SIDE, PROBABILITY, Range, check_ranges
from vision.reading import user_path


class CifarSamples(Dataset[ClassificationSample | ImageSample]):
    """Images in memory, with labels, or for prediction with a `path`.

    Args:
        images: uint8 `(N, 3, 32, 32)`.
        labels: int64 `(N,)`; None makes samples with a `path`.
        title: Beginning of the paths, such as `"cifar10/test"`.
        transform: Maps uint8 `(3, 32, 32)` to uint8 `(3, H, W)`.
    """

    def __init__(
        self,
        images: Tensor,
        labels: Tensor | None,
        title: str,
        transform: Callable[[Tensor], Tensor],
    ) -> None:
        self.images = images
        self.labels = labels
        self.title = title
        self.transform = transform

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        image = self.transform(self.images[index])
        if self.labels is None:
            return {"image": image, "path": f"{self.title}/{index:04d}"}
        return {"image": image, "label": self.labels[index]}

    def __len__(self) -> int:
        return len(self.images)


class CropAndFlip:
    """Random crop of the zero-padded image to its original size, and random horizontal flip.

    All random numbers come from PyTorch's global generator. It takes half the time of
    torchvision's transforms, which is most of the time of a sample.

    Args:
        padding: Pixels of zeros on each side.
        hflip: Probability of the horizontal flip.
    """

    def __init__(self, padding: int, hflip: float) -> None:
        self.padding = padding
        self.hflip = hflip

    def __call__(self, image: Tensor) -> Tensor:
        """Map `(3, H, W)` to `(3, H, W)`."""
        if self.padding:
            height, width = image.shape[1:]
            y, x = torch.randint(2 * self.padding + 1, (2,)).tolist()
            image = F.pad(image, [self.padding] * 4)[:, y : y + height, x : x + width]
        return image.flip(2) if torch.rand(()) < self.hflip else image


class CifarOptions(Loading, total=False):
    """Keywords that `CIFAR100` passes on to `CIFAR10`."""

    image_size: int
    padding: int
    hflip: float
    batch_size: int


class CIFAR10(ClassificationData):
    """60,000 images of 32 x 32 pixels in 10 classes; 10,000 of them are the test set.

    `root` holds the archive `cifar-10-python.tar.gz` as it was downloaded, or the folder
    `cifar-10-batches-py` that it unpacks to. There is no validation set: the test set serves for
    validation, testing and predicting.

    Training images are padded with zeros, cropped and flipped at random ("Deep Residual Learning
    for Image Recognition", He et al., 2015, section 4.2).

    Args:
        root: The folder of the archive or of the unpacked folder.
        image_size: Side in pixels of the model's input; other sizes than 32 are resized
            bicubically, after the augmentation.
        padding: Pixels of zeros on each side of a training image, before the random crop of
            32 x 32; 0 for no crop.
        hflip: Probability of flipping a training image horizontally.
        batch_size: Images per batch and device.
        **loading: Other keywords of `DataModule`.

    Raises:
        ConfigError: An option is out of its range.
    """

    layout = CIFAR10_LAYOUT

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        image_size: int = SIDE,
        padding: int = 4,
        hflip: float = 0.5,
        batch_size: int = 128,
        **loading: Unpack[Loading],
    ) -> None:
        super().__init__(batch_size=batch_size, skip_bad_images=0, **loading)
        padded = Range(minimum=0, maximum=MAX_SIDE, unit="pixels")
        check_ranges(
            {"image_size": image_size, "padding": padding, "hflip": hflip},
            {"image_size": IMAGE_SIDE, "padding": padded, "hflip": PROBABILITY},
        )
        self.root = user_path(root)
        self.image_size = image_size
        resize: list[Callable[[Tensor], Tensor]] = []
        if image_size != SIDE:
            bicubic = v2.InterpolationMode.BICUBIC
            resize = [v2.Resize([image_size, image_size], interpolation=bicubic, antialias=True)]
        self.train_transform = v2.Compose([CropAndFlip(padding, hflip), *resize])
        self.eval_transform = v2.Compose([v2.Identity(), *resize])

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Class names by label, from the dataset's own file."""
        return read_names(self.root, self.layout)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """Preprocessing for other images: squashed to the square, without a crop."""
        return whole_square(self.image_size)

    def setup(self, stage: str) -> None:
        """Read the images of a stage and make its datasets.

        Raises:
            DataError: A file is absent, damaged, or not in the official format.
        """
        name = self.layout.title
        if stage == "fit" and self.train_dataset is None:
            images, labels = self._read(self.layout.train)
            self.train_dataset = CifarSamples(images, labels, f"{name}/train", self.train_transform)
        if self.test_dataset is None:
            images, labels = self._read([self.layout.test])
            test = CifarSamples(images, labels, f"{name}/test", self.eval_transform)
            self.val_dataset = self.test_dataset = test
            self.predict_dataset = CifarSamples(images, None, test.title, self.eval_transform)

    def layout_problems(self) -> Iterator[str]:
        """Each file that is absent or damaged; stages without problems are set up."""
        problems = list(super().layout_problems())
        for name in [*self.layout.train, self.layout.test] if problems else ():
            try:
                self._read([name])
            except DataError as error:
                yield str(error)
        yield from problems  # about the file of names; the others repeat themselves

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """None: reading a file reads all of its images, which are not compressed one by one."""
        return iter(())

    def _read(self, names: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Read images, uint8 `(N, 3, 32, 32)`, and labels, int64 `(N,)`, from some files."""
        files = read_files(self.root, self.layout, names)
        parts = [
            take_images(*files[name], key=self.layout.labels, num_classes=self.num_classes)
            for name in names
        ]
        images = np.concatenate([images for images, _ in parts])
        labels = np.concatenate([labels for _, labels in parts])
        shape = (-1, CHANNELS, SIDE, SIDE)
        return torch.from_numpy(images).view(shape), torch.from_numpy(labels)


class CIFAR100(CIFAR10):
    """60,000 images of 32 x 32 pixels in 100 classes; 10,000 of them are the test set.

    `root` holds the archive `cifar-100-python.tar.gz` as it was downloaded, or the folder
    `cifar-100-python` that it unpacks to. All else is as in `CIFAR10`.

    Args:
        root: The folder of the archive or of the unpacked folder.
        coarse: Whether the labels are the 20 superclasses.
        **options: Other keywords of `CIFAR10`.

    Raises:
        ConfigError: An option is out of its range.
    """

    layout = CIFAR100_LAYOUT

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        coarse: bool = False,
        **options: Unpack[CifarOptions],
    ) -> None:
        super().__init__(root=root, **options)
        if coarse:
            self.layout = self.layout._replace(labels="coarse_labels", names="coarse_label_names")
