"""The base of augmentations that other libraries, or users, bring."""

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.data.transforms.objects import MappedObjects, mask_extent
from vision.errors import ConfigError

# A side of a box that is farther than this from its mask, in pixels, moves to it.
_SLACK = 1.0


class CustomAugment(ABC):
    """An augmentation after the suite's own, on the pixels that the model gets.

    It keeps the size of an image by itself; with a mask or objects the size may change. Random
    numbers depend on PyTorch's generator, which is seeded for each sample.

    Args:
        option: Name of the option, for errors.
    """

    def __init__(self, option: str) -> None:
        self.option = option

    @abstractmethod
    def image(self, image: Tensor) -> Tensor:
        """Change an image, uint8 `(3, H, W)`."""

    @abstractmethod
    def pair(self, image: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image, uint8 `(3, H, W)`, and the class of each pixel, uint8 `(H, W)`."""

    @abstractmethod
    def planes(self, image: Tensor, planes: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image, uint8 `(3, H, W)`, and P maps of its pixels, uint8 `(P, H, W)`.

        The maps are resampled by the nearest pixel; what is uncovered is 0.
        """

    @abstractmethod
    def objects(
        self, image: Tensor, objects: MappedObjects, *, min_visible: float
    ) -> tuple[Tensor, MappedObjects]:
        """Change an image, uint8 `(3, H, W)`, and its objects.

        Args:
            image: The image.
            objects: Its objects.
            min_visible: As in `map_objects`.
        """

    def checked(self, result: object, image: Tensor, *, keep_size: bool = True) -> Tensor:
        """The result for an image, as a plain tensor.

        Args:
            result: What the augmentation has returned.
            image: The image that it was given.
            keep_size: Whether the size has to be that of the image.

        Raises:
            ConfigError: It is not an image of the same type, or of the size that it needs.
        """
        if not isinstance(result, Tensor):
            raise ConfigError(
                f"{self.option} returned a {type(result).__name__}; expected an image, uint8 "
                "(3, H, W), as a tensor."
            )
        if result.dtype != image.dtype:
            raise ConfigError(
                f"{self.option} returned an image of {result.dtype}; expected {image.dtype} in "
                "0..255. Leave out ToTensor, ToDtype, ToFloat and Normalize: the model normalises "
                "on its device."
            )
        if result.ndim != 3 or len(result) != len(image) or not result.numel():
            raise ConfigError(
                f"{self.option} returned an image of {tuple(result.shape)}; expected (3, H, W)."
            )
        if keep_size and result.shape != image.shape:
            raise ConfigError(
                f"{self.option} changed an image of {_sides(image)} to {_sides(result)}. It comes "
                "after the resize and keeps the size: leave out what crops or resizes, or give it "
                "this size."
            )
        return result.as_subclass(Tensor).contiguous()


def uncovered_ignored(mask: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Mark the pixels that a transform has uncovered, and filled with 0, as ignored.

    Args:
        mask: uint8 `(H, W)` class index, after the transform.
        covered: uint8 `(H, W)`, a mask of ones after the same transform.

    Returns:
        uint8 `(H, W)`. A fill other than 0 is kept as the class that it names.
    """
    return np.where(covered == 0, np.uint8(IGNORED), mask)


def moved_objects(
    before: MappedObjects,
    *,
    boxes: np.ndarray,
    places: np.ndarray,
    masks: np.ndarray | None,
    size: tuple[int, int],
    min_visible: float,
) -> MappedObjects:
    """The objects of an image after a transform by another library.

    Such a library encloses a turned box by a larger one. Where there are masks, a box whose object
    has moved is therefore made as tight as its mask, to a pixel. An area changes with the number of
    pixels, or without masks with the area of the box.

    Args:
        before: The objects before.
        boxes: `(N, 4)` xyxy in pixels, of those that are left.
        places: int `(N,)`, place of each in `before`.
        masks: bool `(N, H, W)`; None without masks.
        size: Height and width of the image after it, in pixels.
        min_visible: As in `map_objects`.
    """
    places = np.asarray(places, dtype=np.int64)
    limit = np.array(size[::-1] * 2, dtype=np.float32)
    boxes = np.asarray(boxes, dtype=np.float32).reshape(-1, 4).clip(0, limit)
    old = before.boxes.numpy()[places]
    areas = before.areas.numpy()[places]
    if masks is None or before.masks is None:
        areas = areas * _extents(boxes) / np.maximum(_extents(old), 1e-9)
    else:
        own = before.masks.numpy()[places]
        pixels, old_pixels = (each.sum(axis=(1, 2), dtype=np.int64) for each in (masks, own))
        areas = areas * pixels / np.maximum(old_pixels, 1)
        resized = masks.shape != own.shape
        moved = np.ones(len(masks), bool) if resized else (masks != own).any(axis=(1, 2))
        for row in np.flatnonzero(moved):
            boxes[row] = _fitted(boxes[row], masks[row])
    sides = boxes[:, 2:] - boxes[:, :2]
    kept = ((sides > 0) & (sides >= min_visible)).all(axis=1)
    rows = torch.from_numpy(places[kept])
    return MappedObjects(
        boxes=torch.from_numpy(boxes[kept]),
        labels=before.labels[rows],
        crowd=before.crowd[rows],
        areas=torch.from_numpy(areas[kept].astype(np.float32)),
        masks=None if masks is None else torch.from_numpy(masks[kept]),
    )


def _extents(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def _fitted(box: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A box whose sides lie at the edges of its mask; fractions of a pixel are kept."""
    tight = mask_extent(mask).astype(np.float32)
    return np.where(np.abs(box - tight) <= _SLACK, box, tight) if tight.any() else tight


def _sides(image: Tensor) -> str:
    return " x ".join(map(str, image.shape)) + " (channels, height, width)"
