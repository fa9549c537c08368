"""Augmentation by a callable of the user's, or by torchvision's transforms."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vision.data.transforms.custom_augment import CustomAugment, moved_objects, uncovered_ignored
from vision.data.transforms.objects import MappedObjects
from vision.errors import ConfigError, shown

SEEDS = 2**32


class CallableAugment(CustomAugment):
    """A callable as an augmentation.

    A transform of `torchvision.transforms.v2` gets the image together with its boxes and masks, as
    `tv_tensors`. Any other callable gets the image alone, uint8 `(3, H, W)`, and must leave every
    object where it is.

    PyTorch's generator is seeded for each sample anyway; those of Python and NumPy are seeded from
    it here, for callables that use them.

    Args:
        transform: The callable.
        option: Name of the option, for errors.

    Raises:
        ConfigError: It cannot be called.
    """

    def __init__(self, transform: object, *, option: str) -> None:
        super().__init__(option)
        if not callable(transform):
            raise ConfigError(
                f"{option}={shown(transform)} cannot be called. Give a function or a transform of "
                "torchvision.transforms.v2; in a config: {class_path: CLASS, init_args: {...}}."
            )
        self.transform = transform
        self.is_joint = isinstance(transform, v2.Transform)

    def image(self, image: Tensor) -> Tensor:
        """Change an image, uint8 `(3, H, W)`."""
        given = tv_tensors.Image(image) if self.is_joint else image
        return self.checked(self._call(given), image)

    def pair(self, image: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image and the class of each pixel; what is uncovered is ignored."""
        if not self.is_joint:
            return self.image(image), mask
        changed, planes = self.planes(image, np.stack([mask, np.ones_like(mask)]))
        return changed, uncovered_ignored(planes[0], planes[1])

    def planes(self, image: Tensor, planes: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image and maps of its pixels; what is uncovered is 0."""
        if not self.is_joint:
            return self.image(image), planes
        masks = tv_tensors.Mask(torch.from_numpy(planes))
        changed, found = self._call(tv_tensors.Image(image), masks)
        return self.checked(changed, image, keep_size=False), found.as_subclass(Tensor).numpy()

    def objects(
        self, image: Tensor, objects: MappedObjects, *, min_visible: float
    ) -> tuple[Tensor, MappedObjects]:
        """Change an image and its objects."""
        if not self.is_joint:
            return self.image(image), objects
        size = (image.shape[1], image.shape[2])
        # Sanitising transforms of torchvision drop labels together with their boxes.
        target: dict[str, Any] = {
            "boxes": tv_tensors.BoundingBoxes(objects.boxes, format="XYXY", canvas_size=size),
            "labels": torch.arange(len(objects.labels)),
        }
        if objects.masks is not None:
            target["masks"] = tv_tensors.Mask(objects.masks.to(torch.uint8))
        result, found = self._call(tv_tensors.Image(image), target)
        changed = self.checked(result, image, keep_size=False)
        places = found["labels"].numpy()
        masks = None
        if objects.masks is not None:
            masks = found["masks"].as_subclass(Tensor).numpy() == 1
            masks = masks if len(masks) == len(places) else masks[places]
        boxes = F.convert_bounding_box_format(found["boxes"], new_format="XYXY")
        moved = moved_objects(
            objects,
            boxes=boxes.as_subclass(Tensor).numpy(),
            places=places,
            masks=masks,
            size=(changed.shape[1], changed.shape[2]),
            min_visible=min_visible,
        )
        return changed, moved

    def _call(self, *given: Any) -> Any:
        with _seeded(int(torch.randint(SEEDS, ()))):
            return self.transform(*given)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the generators of Python and NumPy within a block."""
    before = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
