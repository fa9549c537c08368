"""Transforms of images with boxes in space and the camera that sees them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from vision.contracts.detection3d import MonocularTarget
from vision.data.index.boxes3d import SceneObjects
from vision.data.transforms.boxes3d_options import Boxes3DAugment, LearnedObjects
from vision.data.transforms.boxes3d_targets import learned_objects, make_target
from vision.data.transforms.boxes3d_views import ImageView
from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.geometry import Size
from vision.data.transforms.photometric import distort
from vision.data.transforms.rng import SampleRng
from vision.options import MAX_SIDE, Range, check_ranges

# Height and width of MonoDETR's input.
IMAGE_SIZE = (384, 1280)
# Largest turn of the hue: 18 degrees, in steps of two.
HUE = 9
SIDES = Range(minimum=1, maximum=MAX_SIDE, length=2, unit="pixels (height, width)")
DEFAULT_OBJECTS = LearnedObjects()


class TransformedScene(NamedTuple):
    """An input, and what is known of it.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        camera: float64 `(3, 4)`, a projection to pixels of an image of `camera_size`.
        camera_size: Height and width of that image.
        target: What is learned; None in evaluation and prediction.
    """

    image: Tensor
    camera: np.ndarray
    camera_size: Size
    target: MonocularTarget | None


class Boxes3DTransform(ABC):
    """Makes inputs of one size from images.

    One uniform scale brings an image to the width of the input about its middle; rows are cut, or
    padded with black, alike at the top and at the bottom.

    Args:
        image_size: Height and width of the input in pixels.

    Raises:
        ConfigError: A side is out of its range.
    """

    def __init__(self, image_size: Sequence[int]) -> None:
        check_ranges({"image_size": image_size}, {"image_size": SIDES})
        height, width = image_size
        self.image_size: Size = (height, width)

    @abstractmethod
    def change(
        self, image: Tensor, camera: np.ndarray, objects: SceneObjects | None
    ) -> TransformedScene:
        """Change an image.

        Args:
            image: uint8 `(3, H, W)` RGB.
            camera: float64 `(3, 4)`, its projection.
            objects: Its objects, if they are known.
        """


class Boxes3DTrainTransform(Boxes3DTransform):
    """The random augmentation of a training image, with random numbers of PyTorch.

    Colours come first, as published, so that padding stays black; augmentations of other libraries
    come last.

    Args:
        augment: The options.
        image_size: Height and width of the input in pixels.
        objects: Which objects are learned.

    Raises:
        ConfigError: A side is out of its range.
    """

    def __init__(
        self,
        augment: Boxes3DAugment,
        *,
        image_size: Sequence[int] = IMAGE_SIZE,
        objects: LearnedObjects = DEFAULT_OBJECTS,
    ) -> None:
        super().__init__(image_size)
        self.augment = augment
        self.objects = objects
        self._custom = CustomChain(augment.albumentations, augment.transform)

    def change(
        self, image: Tensor, camera: np.ndarray, objects: SceneObjects | None
    ) -> TransformedScene:
        """Change an image; its `target` is None without objects."""
        rng = SampleRng()
        view = sample_view((image.shape[1], image.shape[2]), self.image_size, self.augment, rng)
        if self.augment.photometric:
            image = distort(image, rng, hue=HUE, shuffle=True)
        changed = self._custom.in_place(
            view.draw(image),
            kept="its camera and its boxes",
            instead="augment.hflip, crop, crop_scale and crop_shift",
        )
        consistent = self.augment.geometry == "consistent"
        target = None
        if objects is not None:
            learned = objects.take(learned_objects(objects, self.objects))
            target = make_target(learned, camera, view, consistent=consistent)
        if consistent:
            return TransformedScene(changed, view.camera(camera), view.size, target)
        return TransformedScene(changed, camera, view.image_size, target)


class Boxes3DEvalTransform(Boxes3DTransform):
    """The whole image at the width of the input, with the camera of the file.

    Args:
        image_size: Height and width of the input in pixels.

    Attributes:
        options: The arguments, by name.

    Raises:
        ConfigError: A side is out of its range.
    """

    def __init__(self, *, image_size: Sequence[int] = IMAGE_SIZE) -> None:
        super().__init__(image_size)
        self.options: dict[str, Any] = {"image_size": self.image_size}

    def change(
        self, image: Tensor, camera: np.ndarray, objects: SceneObjects | None = None
    ) -> TransformedScene:
        """Scale an image, uint8 `(3, H, W)`; the camera is returned unchanged."""
        view = ImageView((image.shape[1], image.shape[2]), self.image_size)
        return TransformedScene(view.draw(image), camera, view.image_size, None)


def sample_view(image_size: Size, size: Size, augment: Boxes3DAugment, rng: SampleRng) -> ImageView:
    """Sample how an input lies in a training image.

    Args:
        image_size: Height and width of the image in pixels.
        size: Height and width of the input.
        augment: The options.
        rng: Random numbers of the sample.
    """
    flip = rng.chance(augment.hflip)
    if not rng.chance(augment.crop):
        return ImageView(image_size, size, flip=flip)
    # As published: limits of one and of two standard deviations.
    scale = 1 + _normal(rng, augment.crop_scale, augment.crop_scale)
    columns, rows = (_normal(rng, augment.crop_shift, 2 * augment.crop_shift) for _ in range(2))
    return ImageView(image_size, size, crop_scale=scale, shift=(columns, rows), flip=flip)


def _normal(rng: SampleRng, std: float, limit: float) -> float:
    return min(max(rng.normal(0.0, std), -limit), limit)
