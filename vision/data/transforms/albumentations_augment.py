"""Augmentation by albumentations, seeded for each sample."""

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.data.transforms.albumentations_rows import (
    OPTION,
    import_albumentations,
    leaves,
    read_transforms,
)
from vision.data.transforms.custom_augment import CustomAugment, moved_objects, uncovered_ignored
from vision.data.transforms.objects import MappedObjects
from vision.errors import ConfigError

SEEDS = 2**32
# OpenCV's nearest neighbour: others would mix class indices.
NEAREST = 0


class AlbumentationsAugment(CustomAugment):
    """A pipeline of albumentations as an augmentation.

    By itself albumentations draws from generators of its own, so that each worker repeats the same
    numbers and a resumed run continues with others. Here they are seeded for each sample from
    PyTorch's generator.

    Args:
        source: As in `read_transforms`.
        boxes: Whether images have objects.

    Raises:
        ConfigError: As in `read_transforms`.
        MissingPackageError: albumentations is not installed.
    """

    def __init__(self, source: object, *, boxes: bool = False) -> None:
        super().__init__(OPTION)
        library = import_albumentations()
        transforms, probability = read_transforms(source)
        # Of coordinates and masks these are the only ones that change any.
        dual = library.DualTransform
        self.moves = any(isinstance(transform, dual) for transform in leaves(transforms))
        box_options = {}
        if boxes and self.moves:
            box_options["bbox_params"] = library.BboxParams(
                format="pascal_voc", label_fields=["places"], clip=True, filter_invalid_bboxes=True
            )
        self.pipeline = library.Compose(
            transforms, p=probability, mask_interpolation=NEAREST, **box_options
        )

    def image(self, image: Tensor) -> Tensor:
        """Change an image, uint8 `(3, H, W)`."""
        return self.checked(self._run(image)[0], image)

    def pair(self, image: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image and the class of each pixel; what is uncovered is ignored."""
        if not self.moves:
            return self.image(image), mask
        mask = np.ascontiguousarray(mask)
        result, found = self._run(image, mask=mask, masks=[np.ones_like(mask)])
        changed = self.checked(result, image, keep_size=False)
        return changed, uncovered_ignored(found["mask"], found["masks"][0])

    def planes(self, image: Tensor, planes: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image and maps of its pixels; what is uncovered is 0."""
        if not self.moves:
            return self.image(image), planes
        result, found = self._run(image, masks=[*planes])
        return self.checked(result, image, keep_size=False), np.stack(found["masks"])

    def objects(
        self, image: Tensor, objects: MappedObjects, *, min_visible: float
    ) -> tuple[Tensor, MappedObjects]:
        """Change an image and its objects."""
        if not self.moves:
            return self.image(image), objects
        count = len(objects.boxes)
        targets: dict[str, Any] = {"bboxes": objects.boxes.numpy(), "places": np.arange(count)}
        has_masks = objects.masks is not None
        if objects.masks is not None and count:
            targets["masks"] = list(objects.masks.numpy().astype(np.uint8))
        result, found = self._run(image, **targets)
        changed = self.checked(result, image, keep_size=False)
        places = np.asarray(found["places"], dtype=np.int64)
        size = (changed.shape[1], changed.shape[2])
        masks = np.zeros((0, *size), dtype=bool) if has_masks else None
        if has_masks and count:
            masks = np.stack(found["masks"])[places] == 1
        moved = moved_objects(
            objects,
            boxes=found["bboxes"],
            places=places,
            masks=masks,
            size=size,
            min_visible=min_visible,
        )
        return changed, moved

    def _run(self, image: Tensor, **targets: Any) -> tuple[object, dict[str, Any]]:
        import cv2

        seed = int(torch.randint(SEEDS, ()))
        # One pair of generators for all transforms: of the same seed each would draw the same.
        self.pipeline.set_random_state(np.random.default_rng(seed), random.Random(seed))
        pixels = cv2.merge(list(image.numpy()))  # ten times as fast as NumPy: (H, W, 3)
        try:
            found = self.pipeline(image=pixels, **targets)
        except Exception as error:  # of any kind: the library's, OpenCV's, or a user's transform
            raise ConfigError(
                f"{self.option} failed on an image of {image.shape[1]} x {image.shape[2]} pixels "
                f"(height x width): {type(error).__name__}: {str(error)[:300]}"
            ) from error
        result = found["image"]
        if isinstance(result, np.ndarray) and result.ndim == 3:
            result = torch.from_numpy(np.ascontiguousarray(result.transpose(2, 0, 1)))
        return result, found
