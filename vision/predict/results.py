"""Base class of prediction results: the image, its source, drawing and writing."""

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from torch import Tensor

from vision.errors import ConfigError, DataError, MissingPackageError
from vision.extras import install_line
from vision.files import replace_file

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(kw_only=True, eq=False, repr=False)
class Result(ABC):
    """The prediction for an image. All tensors are on the CPU.

    Attributes:
        image: The original: uint8 `(3, H, W)` RGB, upright, or the values of a volume.
        path: Its file; None for an image in memory.
        index: Its number in the source, from 0; skipped images are counted.
        names: Name of each class, by index.
    """

    image: Tensor
    path: str | None
    index: int
    names: tuple[str, ...]

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width of the original image in pixels, or the cells of a volume."""
        return tuple(self.image.shape[1:])

    @abstractmethod
    def plot(self) -> "Image":
        """Draw the prediction on the image."""

    @abstractmethod
    def to_dict(self, *, masks: bool = True) -> dict[str, Any]:
        """Plain values for JSON.

        Args:
            masks: Whether to include masks, as COCO's packed run lengths.
        """

    def to_coco(
        self, image_id: int | None = None, category_ids: "list[int] | None" = None
    ) -> list[dict[str, Any]]:
        """A list of results in COCO's format.

        Args:
            image_id: COCO id of the image in the dataset; None uses `index`.
            category_ids: COCO id of each class in the dataset, by label; None uses the label.

        Raises:
            ConfigError: The result has no boxes or masks.
        """
        raise ConfigError(
            f"COCO's format has no place for a {type(self).__name__}, only for boxes and masks: "
            "use to_dict() instead."
        )

    def to_supervision(self) -> Any:
        """The result as an object of the package supervision.

        Raises:
            MissingPackageError: The package is not installed.
            ConfigError: The package has no such objects.
        """
        raise ConfigError(
            f"supervision has no counterpart of a {type(self).__name__}: use to_dict() instead."
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the output of `plot` atomically; the folder is created if absent.

        Args:
            path: The file; its suffix chooses the format, such as `.jpg` or `.png`.

        Returns:
            The path.

        Raises:
            ConfigError: The suffix belongs to no image format.
            DataError: The file cannot be written.
        """
        return save_picture(self.plot(), path)

    def _head(self) -> dict[str, Any]:
        return {"path": self.path, "index": self.index, "size": list(self.size)}

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.size))
        where = self.path or f"image {self.index}"
        return f"{type(self).__name__}({where}, {size}: {self._summary()})"

    def in_words(self) -> str:
        """What was predicted, in a few words, such as `"2 dog, 1 cat"`."""
        return self._summary()

    def labels_found(self) -> list[str]:
        """Names of the classes that were found, one for each object or image, to be counted."""
        return []

    @abstractmethod
    def _summary(self) -> str:
        """A few words for the representation."""


@dataclass(kw_only=True, eq=False, repr=False)
class ObjectsResult(Result):
    """The M objects of an image, highest score first.

    Attributes:
        labels: int64 `(M,)` class index.
        scores: float32 `(M,)` in [0, 1], all at or above the threshold.
    """

    labels: Tensor
    scores: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def label_names(self) -> list[str]:
        """Name of the class of each object."""
        return [name_of(self.names, label) for label in self.labels.tolist()]

    def labels_found(self) -> list[str]:
        """The class of each object."""
        return list(self.label_names)

    def _summary(self) -> str:
        names = self.label_names
        counts = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))
        return counts or "no objects"


def check_form(form: str, forms: Any, path: str | os.PathLike[str]) -> str:
    """The form in which a result is written: the one given, but arrays are never drawings.

    Args:
        form: What the caller gave.
        forms: `Literal` of `"drawing"` and the name of the values.
        path: The file.

    Raises:
        ConfigError: The form is unknown.
    """
    drawing, values = get_args(forms)
    if form not in (drawing, values):
        raise ConfigError(f"form={form!r} is not '{drawing}' or '{values}'.")
    return values if Path(path).suffix == ".npy" else form


def save_picture(picture: "Image", path: str | os.PathLike[str]) -> Path:
    """Write a picture atomically; see `Result.save`."""
    path = Path(path)
    try:
        replace_file(path, picture.save)
    except (ValueError, KeyError) as error:
        raise ConfigError(
            f"'{path}' is not the name of a picture: {error}. End it in .jpg, .png or .webp."
        ) from error
    except OSError as error:
        raise DataError(f"the picture '{path}' cannot be written: {error}.") from error
    return path


def to_picture(image: Tensor) -> "Image":
    """Convert uint8 `(3, H, W)` RGB to a Pillow image."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).numpy()))


def encode_mask(mask: Tensor) -> dict[str, Any]:
    """A mask, bool `(H, W)`, as COCO's packed run lengths: `{"size": [H, W], "counts": str}`."""
    from pycocotools import mask as mask_tools

    packed = mask_tools.encode(np.asfortranarray(mask.to(torch.uint8).numpy()))
    return {"size": list(packed["size"]), "counts": packed["counts"].decode()}


def category_of(label: int, category_ids: "list[int] | None") -> int:
    """The COCO id of a class; its label if no ids are given.

    Raises:
        ConfigError: There are too few ids.
    """
    if category_ids is None:
        return label
    if not 0 <= label < len(category_ids):
        raise ConfigError(
            f"class {label} has no number: category_ids has {len(category_ids)} of them, one per "
            "class by label is needed."
        )
    return int(category_ids[label])


def name_of(names: tuple[str, ...], label: int) -> str:
    """The name of a class; its index if it has none."""
    return names[label] if 0 <= label < len(names) else str(label)


def import_optional(module: str, *, extra: str) -> Any:
    """Import an optional package.

    Args:
        module: Its name.
        extra: The extra of the suite that installs it.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"{module} is needed for this ({error}): {install_line(extra)}"
        ) from error
