"""The augmentations of other libraries, and of users, that a training transform ends with."""

import numpy as np
from torch import Tensor

from vision.data.transforms.albumentations_augment import AlbumentationsAugment
from vision.data.transforms.callable_augment import CallableAugment
from vision.data.transforms.custom_augment import CustomAugment
from vision.data.transforms.objects import MappedObjects
from vision.errors import ConfigError


class CustomChain:
    """Applies the options `albumentations` and `transform`, in this order; by default nothing.

    They come last, after crop, resize, flip and the colours of the suite: what they do in pixels,
    such as a blur, is then the same for small and large files, they cost least there, and a file
    can still be decoded at a reduced size.

    Args:
        albumentations: As in `vision.data.transforms.albumentations_rows.read_rows`; None for
            none.
        transform: As in `CallableAugment`; None for none.
        boxes: Whether images have objects.

    Raises:
        ConfigError: One of them is not what its option accepts.
        MissingPackageError: albumentations is needed and not installed.
    """

    def __init__(self, albumentations: object, transform: object, *, boxes: bool = False) -> None:
        self._augments: list[CustomAugment] = []
        if albumentations is not None:
            self._augments.append(AlbumentationsAugment(albumentations, boxes=boxes))
        if transform is not None:
            self._augments.append(CallableAugment(transform, option="augment.transform"))

    def image(self, image: Tensor) -> Tensor:
        """Change an image, uint8 `(3, H, W)`."""
        for augment in self._augments:
            image = augment.image(image)
        return image

    def pair(self, image: Tensor, mask: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image, uint8 `(3, H, W)`, and the class of each pixel, uint8 `(H, W)`."""
        for augment in self._augments:
            image, mask = augment.pair(image, mask)
        return image, mask

    def segments(self, image: Tensor, ids: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Change an image, uint8 `(3, H, W)`, and its segment ids, uint16 `(H, W)`.

        What is uncovered belongs to no segment.
        """
        if not self._augments:
            return image, ids
        # Other libraries interpolate or refuse two bytes: they get each by itself.
        planes = np.stack([ids & 255, ids >> 8]).astype(np.uint8)
        for augment in self._augments:
            image, planes = augment.planes(image, planes)
        return image, planes[0] | planes[1].astype(np.uint16) << 8

    def in_place(
        self,
        image: Tensor,
        *,
        kept: str = "its depth, normals and camera: a normal turns with its pixels, and the camera "
        "changes with them",
        instead: str = "augment.hflip, rotation, scale and crop",
    ) -> Tensor:
        """Change an image, uint8 `(3, H, W)`, whose pixels have to stay where they are.

        Args:
            image: The image.
            kept: What would no longer fit to the pixels and why, for the message.
            instead: The options that change all of it alike.

        Raises:
            ConfigError: They were moved.
        """
        if not self._augments:
            return image
        rows, columns = np.indices((image.shape[1], image.shape[2]))
        places = np.stack([rows & 255, rows >> 8, columns & 255, columns >> 8]).astype(np.uint8)
        for augment in self._augments:
            image, found = augment.planes(image, places)
            if not np.array_equal(found, places):
                raise ConfigError(
                    f"{augment.option} moved the pixels of an image, but not {kept}. Leave out "
                    f"what flips, turns, shifts, crops or resizes; {instead} change all of them "
                    "alike."
                )
        return image

    def objects(
        self, image: Tensor, objects: MappedObjects, *, min_visible: float
    ) -> tuple[Tensor, MappedObjects]:
        """Change an image, uint8 `(3, H, W)`, and its objects.

        Args:
            image: The image.
            objects: Its objects.
            min_visible: As in `map_objects`.
        """
        for augment in self._augments:
            image, objects = augment.objects(image, objects, min_visible=min_visible)
        return image, objects
