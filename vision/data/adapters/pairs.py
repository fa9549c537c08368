"""The (image, target) pairs of a dataset of the user's, with errors that name the sample."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vision.data.images.arrays import array_to_image
from vision.data.images.read import convert_image
from vision.errors import ConfigError, DataError, ImageError, shown

FORMS = "a PIL image, an array (H, W[, 3]), or a tensor ([3, ]H, W), uint8 or float in 0..1"
REMEDY = "Leave out Normalize: the model normalises on its device."


class Pairs:
    """A map-style dataset of `(image, target)` pairs.

    Args:
        dataset: What has a length and gives a pair for an index.
        name: What it is, for errors, such as `"training set"`.

    Raises:
        ConfigError: It has no length, or cannot be indexed.
    """

    def __init__(self, dataset: Any, name: str) -> None:
        if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
            raise ConfigError(
                f"the {name} is a {type(dataset).__name__}; expected a dataset with a length whose "
                "item i is a pair (image, target), such as those of torchvision. Read an iterable "
                "dataset into a list first."
            )
        self.dataset = dataset
        self.name = name

    def __len__(self) -> int:
        return len(self.dataset)

    def place(self, index: int) -> str:
        """What a sample is called in errors."""
        return f"sample {index} of the {self.name}"

    def read(self, index: int) -> tuple[Tensor, Any]:
        """The image, uint8 `(3, H, W)` RGB, and the target of a sample.

        Raises:
            DataError: It is no pair.
            ImageError: Its image cannot be read, or is none.
        """
        sample = self._item(index)
        if not isinstance(sample, tuple | list) or len(sample) != 2:
            kind = f"{type(sample).__name__}"
            if isinstance(sample, tuple | list):
                kind += f" of {len(sample)}"
            elif isinstance(sample, Mapping):
                kind += f" with {', '.join(map(repr, sample))}"
            raise DataError(
                f"{self.place(index)} is a {kind}; expected a pair (image, target). A dataset of "
                "your own can return one, or be wrapped in one that does."
            )
        try:
            return to_image(sample[0]), sample[1]
        except ImageError as error:
            raise ImageError(f"{self.place(index)}: {error}") from error

    def _item(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except OSError as error:  # what Pillow raises for a broken file, too
            raise ImageError(f"{self.place(index)} cannot be read: {error}") from error
        except Exception as error:  # of the user's own code: only the place is added
            error.add_note(f"while reading {self.place(index)}")
            raise


def to_image(value: object) -> Tensor:
    """Convert what a dataset has for an image.

    Args:
        value: A Pillow image of any mode; an array as for `array_to_image`; a tensor `(3, H, W)`,
            `(1, H, W)` or `(H, W)`, uint8 or float in 0..1, as torchvision's `ToTensor` makes it.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ImageError: It is none of these.
    """
    if isinstance(value, Image.Image):
        return convert_image(value)
    if isinstance(value, np.ndarray):
        return array_to_image(value)
    if not isinstance(value, Tensor):
        raise ImageError(f"the image is a {type(value).__name__}; expected {FORMS}.")
    pixels = value.detach().as_subclass(Tensor).cpu()
    if pixels.ndim == 2:
        pixels = pixels[None]
    if pixels.ndim != 3 or pixels.shape[0] not in (1, 3) or 0 in pixels.shape:
        raise ImageError(f"the image is a tensor {tuple(value.shape)}; expected {FORMS}.")
    if pixels.is_floating_point():
        low, high = (float(limit) for limit in pixels.float().aminmax())
        if not (low >= 0 and high <= 1):  # NaN is neither
            raise ImageError(
                f"the image is a tensor of floats from {low:g} to {high:g}; expected {FORMS}. "
                f"{REMEDY}"
            )
        pixels = (pixels.float() * 255).round()
    elif pixels.dtype != torch.uint8:
        raise ImageError(f"the image is a tensor of {pixels.dtype}; expected {FORMS}.")
    return pixels.to(torch.uint8).expand(3, -1, -1).contiguous()


def to_label(value: object, num_classes: int, place: str) -> int:
    """The class index of a target.

    Args:
        value: A whole number, or an array or tensor of one.
        num_classes: Number of classes, K.
        place: What the sample is called, for errors.

    Raises:
        DataError: It is no number from 0 to K - 1.
    """
    expected = f"expected a class index from 0 to {num_classes - 1}"
    number = value
    if isinstance(value, Tensor | np.ndarray | np.generic) and np.asarray(value).size == 1:
        number = value.item()
    if not isinstance(number, int) or isinstance(number, bool):
        raise DataError(f"{place} has the label {shown(value)}; {expected}.")
    check_label(number, num_classes, place)
    return number


def check_label(label: int, num_classes: int, place: str) -> None:
    """Check the range of a class index.

    Raises:
        DataError: It is not from 0 to `num_classes - 1`.
    """
    if not 0 <= label < num_classes:
        remedy = (
            " If classes are numbered from 1 (torchvision's detectors count the background as 0), "
            "subtract 1."
            if label == num_classes
            else " Give classes=[...] with the name of every class."
        )
        raise DataError(
            f"{place} has the label {label}; expected a class index from 0 to {num_classes - 1}."
            f"{remedy}"
        )
