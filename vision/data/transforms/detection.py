"""Transforms for detection: images with their objects, in training and evaluation."""

import io
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from PIL import ExifTags, Image
from torch import Tensor
from torchvision.transforms import v2

from vision.data.images.jpeg import BROKEN
from vision.data.images.read import FORMATS, EncodedImage, decode_image
from vision.data.index.detection import Objects
from vision.data.index.segments import Outline
from vision.data.transforms.annotated import AnnotatedImages
from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.geometry import Geometry, Size, plain_geometry, sample_geometry
from vision.data.transforms.objects import MappedObjects, map_objects
from vision.data.transforms.rng import SampleRng
from vision.errors import ConfigError, ImageError
from vision.options import IMAGE_SIDE, check_ranges


class TransformedImage(NamedTuple):
    """An image for a detector.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        original_size: Height and width in pixels of the file, in the frame of its annotations.
        objects: Its objects; None if none were given.
    """

    image: Tensor
    original_size: Size
    objects: MappedObjects | None


class DetectionTransform(ABC):
    """Decodes an image, and applies one geometry to it and its objects.

    Args:
        masks: Whether the objects' masks are made.
        min_visible: Smallest height and width in pixels of an object that is kept; 0 keeps all.
        antialias: Whether the image is antialiased where it shrinks.
    """

    def __init__(self, *, masks: bool, min_visible: float, antialias: bool) -> None:
        self.masks = masks
        self.min_visible = min_visible
        self.antialias = antialias

    @abstractmethod
    def change(self, image: Tensor) -> tuple[Tensor, Geometry]:
        """Change an image, uint8 `(3, H, W)`, and return the geometry used."""

    def draw(self, place: int, source: AnnotatedImages) -> TransformedImage:
        """Make the sample of an image of a split.

        Args:
            place: Its index in the split.
            source: The images of the split.

        Raises:
            ImageError: A file cannot be read, or has another size than annotated.
            DataError: The mask of an object has another size than the image.
        """
        with source.open(place) as annotated:
            return self.apply(*annotated)

    def decode(
        self,
        encoded: EncodedImage,
        objects: Objects | None = None,
        outlines: Sequence[Outline] | None = None,
        *,
        size: Size = (0, 0),
    ) -> TransformedImage:
        """Make the sample of an image file.

        Args:
            encoded: The file.
            objects: Its objects, in pixels of the file; None for an image to predict.
            outlines: Polygons or run lengths of each object, for masks; None where there are none.
            size: Height and width of the image as annotated; 0 where that is not known.

        Raises:
            ImageError: The file cannot be read, or has another size than annotated.
            DataError: The mask of an object has another size than the image.
        """
        return self.apply(decode_annotated(encoded, size), objects, outlines)

    def apply(
        self,
        original: Tensor,
        objects: Objects | None = None,
        outlines: Sequence[Outline] | None = None,
    ) -> TransformedImage:
        """Make the sample of a decoded image.

        Args:
            original: uint8 `(3, H, W)` RGB.
            objects: As in `decode`, in its pixels.
            outlines: As in `decode`.

        Raises:
            DataError: The mask of an object has another size than the image.
        """
        image, geometry = self.change(original)
        if objects is None:
            return TransformedImage(image, geometry.image_size, None)
        mapped = map_objects(
            objects,
            outlines if self.masks else None,
            geometry,
            min_visible=self.min_visible,
        )
        image, mapped = self.finish(image, mapped)
        return TransformedImage(image, geometry.image_size, mapped)

    def finish(self, image: Tensor, objects: MappedObjects) -> tuple[Tensor, MappedObjects]:
        """Change an image and its objects once more, in the end; by default nothing."""
        return image, objects


class DetectionTrainTransform(DetectionTransform):
    """The random augmentation of a training image, with random numbers from PyTorch.

    Images are not mixed: `vision.data.transforms.mixing`.

    Args:
        augment: The options.
        masks: Whether the objects' masks are made.
        antialias: Whether the image is antialiased where it shrinks.
    """

    def __init__(
        self, augment: DetectionAugment, *, masks: bool = True, antialias: bool = True
    ) -> None:
        super().__init__(masks=masks, min_visible=augment.min_visible, antialias=antialias)
        self.augment = augment
        self._distort = v2.RandomPhotometricDistort()
        self._custom = CustomChain(augment.albumentations, augment.transform, boxes=True)

    def without_mixing(self) -> "DetectionTrainTransform":
        """The same augmentation of each image by itself."""
        return self

    def change(self, image: Tensor) -> tuple[Tensor, Geometry]:
        """Change an image, uint8 `(3, H, W)`, and say by which geometry."""
        rng = SampleRng()
        geometry = sample_geometry((image.shape[1], image.shape[2]), self.augment, rng)
        return self.render(image, geometry, rng), geometry

    def render(self, image: Tensor, geometry: Geometry, rng: SampleRng) -> Tensor:
        """Apply a geometry to an image, uint8 `(3, H, W)`, and the colours at random."""
        distort = rng.chance(self.augment.photometric)
        window = geometry.crop(image)
        # Colour distortion, the slowest step, is done where there are fewer pixels.
        first = geometry.window.height * geometry.window.width < geometry.size[0] * geometry.size[1]
        if distort and first:
            window = self._distort(window)
        changed = geometry.resize(window, antialias=self.antialias)
        if distort and not first:
            changed = self._distort(changed)
        return geometry.pad(changed, self.augment.fill)

    def finish(self, image: Tensor, objects: MappedObjects) -> tuple[Tensor, MappedObjects]:
        """Apply the augmentations of other libraries."""
        return self._custom.objects(image, objects, min_visible=self.min_visible)


class DetectionEvalTransform(DetectionTransform):
    """A resize of the whole image to a short side, limited by a long side.

    Every object is kept, of any size.

    Args:
        short_side: Length of the short side in pixels.
        long_side: Largest length of the long side in pixels.
        masks: Whether the objects' masks are made; metrics read them from the annotations instead.
        antialias: Whether the image is antialiased where it shrinks.

    Attributes:
        options: The sides and `antialias`, by name.

    Raises:
        ConfigError: A length is less than one pixel.
    """

    def __init__(
        self,
        *,
        short_side: int = 800,
        long_side: int = 1333,
        masks: bool = False,
        antialias: bool = True,
    ) -> None:
        super().__init__(masks=masks, min_visible=0.0, antialias=antialias)
        sides = {"short_side": short_side, "long_side": long_side}
        check_ranges(sides, dict.fromkeys(sides, IMAGE_SIDE))
        require_flag(antialias, "antialias")
        self.short_side = short_side
        self.long_side = long_side
        self.options = {
            "short_side": short_side,
            "long_side": long_side,
            "antialias": antialias,
        }

    def change(self, image: Tensor) -> tuple[Tensor, Geometry]:
        """Resize an image, uint8 `(3, H, W)`, and return the geometry used."""
        size = (image.shape[1], image.shape[2])
        geometry = plain_geometry(size, short_side=self.short_side, long_side=self.long_side)
        return geometry.resize(image, antialias=self.antialias), geometry


def require_flag(value: object, name: str) -> None:
    """Raise a `ConfigError` unless a value is true or false; the text "no" is not."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r} must be true or false.")


def decode_annotated(encoded: EncodedImage, size: Size, *, strict: bool = False) -> Tensor:
    """Decode an image in the frame of its annotations.

    Some annotations are made on upright images, others on the pixels as stored, before the rotation
    in the file's metadata (EXIF). The annotated size tells which; if both fit, the image is turned
    upright, as everywhere in the suite.

    Args:
        encoded: The file.
        size: Height and width in pixels as annotated; 0 where that is not known.
        strict: As in `decode_image`.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ImageError: The file cannot be read, or neither frame has the annotated size.
    """
    image = decode_image(encoded, strict=strict)
    upright = tuple(image.shape[1:])
    if 0 in size or upright == tuple(size):
        return image
    orientation = _orientation(encoded.data)
    if orientation >= 5 and upright[::-1] == tuple(size):
        return _as_stored(image, orientation)
    stored = " when turned upright" if orientation >= 5 else ""
    raise ImageError(
        f"image '{encoded.name}' is {upright[0]} x {upright[1]} pixels (height x width){stored}, "
        f"but its annotations are for {size[0]} x {size[1]}. Put back the image that was annotated "
        "or correct its height and width and its objects in the annotations."
    )


def _orientation(data: bytes) -> int:
    """Orientation of a decodable image, 1 to 8 (EXIF 2.32, tag 0x0112)."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except BROKEN:  # only the metadata, since the image was decoded
        return 1
    return orientation if orientation in range(1, 9) else 1


def _as_stored(image: Tensor, orientation: int) -> Tensor:
    """Undo the rotation to upright of an image with an orientation from 5 to 8."""
    if orientation in (6, 7):
        image = image.flip(2)
    if orientation in (7, 8):
        image = image.flip(1)
    return image.transpose(1, 2)
