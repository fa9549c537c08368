"""Transforms for depth and surface normals: images with what is known of each pixel."""

from abc import ABC, abstractmethod
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.dense_options import DenseAugment
from vision.data.transforms.dense_targets import DenseTargets, Rotation
from vision.data.transforms.geometry import Geometry, Size, sample_window
from vision.data.transforms.photometric import distort
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segmentation import SegmentationEvalTransform, sample_sizes


class DenseTransform(ABC):
    """Changes an image and what is known of its pixels.

    Attributes:
        canvas: Minimum height and width in pixels of batches of the results; None for no minimum.
    """

    canvas: Size | None = None

    @abstractmethod
    def change(
        self, image: Tensor, targets: DenseTargets | None
    ) -> tuple[Tensor, DenseTargets | None]:
        """Change an image, uint8 `(3, H, W)`, and its targets, if there are any."""


class DenseTrainTransform(DenseTransform):
    """The random augmentation of a training image and its targets, with random numbers of PyTorch.

    Both have the same geometry. The image is interpolated bilinearly; targets are taken from the
    nearest pixels. Augmentations of other libraries come last.

    Args:
        augment: The options.
        antialias: Whether the image is antialiased where it shrinks.
    """

    def __init__(self, augment: DenseAugment, *, antialias: bool = True) -> None:
        self.augment = augment
        self.antialias = antialias
        self.canvas = augment.crop
        self._custom = CustomChain(augment.albumentations, augment.transform)

    def change(
        self, image: Tensor, targets: DenseTargets | None
    ) -> tuple[Tensor, DenseTargets | None]:
        """Change an image, uint8 `(3, H, W)`, and its targets, if there are any."""
        rng = SampleRng()
        if self.augment.rotation:
            rotation = self._rotation(image, targets, rng)
            image = rotate_image(image, rotation)
            targets = None if targets is None else targets.rotated(rotation)
        geometry = sample_geometry((image.shape[1], image.shape[2]), self.augment, rng)
        changed = geometry.resize(
            geometry.crop(image),
            antialias=self.antialias,
            recolor=partial(distort, rng=rng) if self.augment.photometric else None,
        )
        changed = self._custom.in_place(changed)
        if targets is not None:
            targets = targets.mapped(geometry, keep_focal=self.augment.keep_focal)
        return changed, targets

    def _rotation(self, image: Tensor, targets: DenseTargets | None, rng: SampleRng) -> Rotation:
        degrees = rng.uniform(-self.augment.rotation, self.augment.rotation)
        camera = None if targets is None else targets.camera
        aspect = 1.0 if camera is None else float(camera[1] / camera[0])
        return Rotation((image.shape[1], image.shape[2]), degrees, aspect)


class DenseEvalTransform(DenseTransform):
    """A resize of the whole image; the targets keep the size of the file.

    Args:
        short_side: Length of the short side in pixels; None, with `long_side`, for no resize.
        long_side: Maximum length of the long side in pixels.
        antialias: Whether the image is antialiased where it shrinks.

    Attributes:
        options: The arguments, by name.

    Raises:
        ConfigError: A length is less than one pixel, or only one is given.
    """

    def __init__(
        self,
        *,
        short_side: int | None = None,
        long_side: int | None = None,
        antialias: bool = True,
    ) -> None:
        self._resize = SegmentationEvalTransform(
            short_side=short_side, long_side=long_side, antialias=antialias
        )
        self.options = self._resize.options

    def change(
        self, image: Tensor, targets: DenseTargets | None
    ) -> tuple[Tensor, DenseTargets | None]:
        """Resize an image, uint8 `(3, H, W)`; its targets are returned unchanged."""
        return self._resize.change(image, None)[0], targets


def sample_geometry(size: Size, augment: DenseAugment, rng: SampleRng) -> Geometry:
    """Sample the geometry of a training image, as `segmentation.sample_geometry` of one window.

    Args:
        size: Height and width of the image in pixels.
        augment: The options.
        rng: Random numbers of the sample.
    """
    scaled, kept, flip = sample_sizes(size, augment, rng)
    return Geometry(size, sample_window(size, scaled, kept, rng), kept, flip, kept)


def rotate_image(image: Tensor, rotation: Rotation) -> Tensor:
    """Rotate an image, uint8 `(3, H, W)`, bilinearly; what is uncovered is black."""
    pixels = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    turned = pixels.transform(
        pixels.size,
        Image.Transform.AFFINE,
        rotation.coefficients(),
        resample=Image.Resampling.BILINEAR,
    )
    return torch.from_numpy(np.array(turned)).permute(2, 0, 1)
