"""Transforms for panoptic segmentation: images with their segments, in training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from torch import Tensor

from vision.data.images.read import EncodedImage
from vision.data.transforms.copy_paste import SegmentedImage, choose_segments, paste_segments
from vision.data.transforms.crops import Box
from vision.data.transforms.custom_chain import CustomChain
from vision.data.transforms.detection import require_flag
from vision.data.transforms.geometry import Geometry, Size, sample_fitted
from vision.data.transforms.panoptic_options import PanopticAugment
from vision.data.transforms.photometric import distort
from vision.data.transforms.rng import SampleRng
from vision.data.transforms.segment_map import (
    SegmentMap,
    drop_unseen,
    join_stuff,
    labelled_pixels,
    number_segments,
)
from vision.data.transforms.segmentation import decode_masked
from vision.options import MAX_SIDE, Range, check_ranges

# Number of images to draw; if none has enough labelled pixels, the last is used as it is.
TRIES = 20
# Scale of an image that is pasted from, in shares of that of the other.
PASTED = 0.5
# Labelled pixels are counted in every so-manieth row and column, as the published code does.
STEP = 4
CANVAS = Range(minimum=1, maximum=MAX_SIDE, length=2, unit="pixels", optional=True)
LONG_SIDE = Range(minimum=1, maximum=MAX_SIDE, unit="pixels", optional=True)


class TransformedSegments(NamedTuple):
    """An image for a panoptic model, and its segments.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        segmented: Its segments: in training of the pixels of `image`, with the ids 1 to S; in
            evaluation of the file's pixels; None if none were given.
        original_size: Height and width in pixels of the file.
        place: Index of the image in its split.
    """

    image: Tensor
    segmented: SegmentMap | None
    original_size: Size
    place: int = 0


class DecodedSegments(NamedTuple):
    """An image as in its file, and its segments.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        segmented: Its segments; None for an image to predict.
    """

    image: Tensor
    segmented: SegmentMap | None

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]


class SegmentSource(NamedTuple):
    """The images of a split, of which a transform makes samples.

    Attributes:
        length: Number of images.
        load: Reads an image, by its index. Raises `ImageError` if a file cannot be read or image
            and segments differ in size, `DataError` if segments are not as they are listed.
        things: bool `(K,)`, which classes are things.
    """

    length: int
    load: Callable[[int], DecodedSegments]
    things: np.ndarray


class PanopticTransform(ABC):
    """Makes samples from images and their segments.

    Attributes:
        canvas: Height and width in pixels that the results are padded to; None for no padding.
    """

    canvas: Size | None = None

    @abstractmethod
    def draw(self, place: int, source: SegmentSource) -> TransformedSegments:
        """Make the sample of an image.

        Args:
            place: Index of the image in its split.
            source: The images of the split.

        Raises:
            ImageError: A file cannot be read, or image and segments differ in size.
            DataError: Segments are not as they are listed.
        """


class PanopticTrainTransform(PanopticTransform):
    """The random augmentation of a training image and its segments.

    Random numbers come from PyTorch, those for the choice of the other image among them. Image and
    segments have the same geometry: the image is resampled once, bilinearly, and the ids once by
    the nearest pixel. All stuff of a class is one segment of the result. Augmentations of other
    libraries come last.

    Args:
        augment: The options.
        antialias: Whether images are antialiased where they shrink.
    """

    def __init__(self, augment: PanopticAugment, *, antialias: bool = True) -> None:
        self.augment = augment
        self.antialias = antialias
        self.canvas = augment.crop
        self._custom = CustomChain(augment.albumentations, augment.transform)

    def draw(self, place: int, source: SegmentSource) -> TransformedSegments:
        """Make a sample with enough labelled pixels, if need be of other images."""
        rng = SampleRng()
        for attempt in range(TRIES):
            if attempt:
                place = rng.below(source.length)
            decoded = source.load(place)
            made = self._change(decoded, rng, 1.0)
            if self.augment.copy_paste:
                partner = source.load(rng.other(place, source.length))
                other = self._change(partner, rng, PASTED)
                chosen = choose_segments(other.segmented.segments, source.things, rng)
                made = paste_segments(made, other, chosen, self.augment.fill)
            image, segmented = self._finish(made, source.things)
            if self._is_enough(segmented):
                break
        return TransformedSegments(image, segmented, decoded.size, place)

    def _change(self, decoded: DecodedSegments, rng: SampleRng, share: float) -> SegmentedImage:
        """Scale, crop, mirror and colour an image; its segments keep their places."""
        assert decoded.segmented is not None, "training images have segments"
        low, high = self.augment.scale
        geometry = sample_geometry(decoded.size, self.augment, rng, (low * share, high * share))
        image = geometry.resize(
            geometry.crop(decoded.image),
            antialias=self.antialias,
            recolor=partial(distort, rng=rng) if self.augment.photometric else None,
        )
        ids, segments = decoded.segmented
        mapped = SegmentMap(geometry.mask(geometry.crop(ids[None])[0]), segments)
        return SegmentedImage(image, number_segments(mapped))

    def _finish(self, made: SegmentedImage, things: np.ndarray) -> tuple[Tensor, SegmentMap]:
        ids, segments = made.segmented
        image, moved = self._custom.segments(made.image, ids)
        if moved is not ids:
            # A transform that fills with a number other than 0 may have made ids of its own.
            made = SegmentedImage(image, number_segments(SegmentMap(moved, segments)))
        return image, drop_unseen(join_stuff(made.segmented, things))

    def _is_enough(self, segmented: SegmentMap) -> bool:
        height, width = (-(-side // STEP) for side in self.augment.crop)
        minimum = self.augment.min_labelled * height * width
        return bool(
            not segmented.segments.crowd.all() and labelled_pixels(segmented, STEP) > minimum
        )


class PanopticEvalTransform(PanopticTransform):
    """A resize of the whole image to a long side, and padding; segments keep the size of the file.

    Args:
        long_side: Length of the long side in pixels, less where the image would not fit into the
            canvas; None for no resize, except to fit.
        canvas: Height and width in pixels that images are padded to at the right and at the bottom,
            so that a result does not depend on the other images of a batch; None for no padding.
        antialias: Whether the image is antialiased where it shrinks.

    Attributes:
        options: The arguments, by name.

    Raises:
        ConfigError: A length is out of its range.
    """

    def __init__(
        self,
        *,
        long_side: int | None = 1281,
        canvas: tuple[int, int] | None = (1281, 1281),
        antialias: bool = True,
    ) -> None:
        sides = {"long_side": long_side, "canvas": canvas}
        check_ranges(sides, {"long_side": LONG_SIDE, "canvas": CANVAS})
        require_flag(antialias, "antialias")
        self.long_side = long_side
        self.canvas = None if canvas is None else (int(canvas[0]), int(canvas[1]))
        self.antialias = antialias
        self.options = {
            "long_side": long_side,
            "canvas": None if canvas is None else [*canvas],
            "antialias": antialias,
        }

    def draw(self, place: int, source: SegmentSource) -> TransformedSegments:
        """Resize an image; its segments are returned unchanged."""
        return self.change(source.load(place))._replace(place=place)

    def decode(self, encoded: EncodedImage) -> TransformedSegments:
        """Make the sample of an image file to predict.

        Raises:
            ImageError: The file cannot be read.
        """
        return self.change(DecodedSegments(decode_masked(encoded, None, ""), None))

    def change(self, decoded: DecodedSegments) -> TransformedSegments:
        """Resize a decoded image; its segments are returned unchanged."""
        size = decoded.size
        fitted = evaluated_size(size, self.long_side, self.canvas)
        image = decoded.image.contiguous()
        if fitted != size:
            geometry = Geometry(size, Box(0, 0, *size), fitted, flip=False, canvas=fitted)
            image = geometry.resize(decoded.image, antialias=self.antialias)
        return TransformedSegments(image, decoded.segmented, size)


def evaluated_size(size: Size, long_side: int | None, canvas: Size | None) -> Size:
    """The size of an image that is evaluated.

    Args:
        size: Height and width in pixels.
        long_side: Length of the long side; None for that of the image.
        canvas: Height and width that the result has to fit into; None for any.
    """
    scale = 1.0 if long_side is None else long_side / max(size)
    if canvas is not None:
        scale = min(scale, canvas[0] / size[0], canvas[1] / size[1])
    height, width = (max(1, round(side * scale)) for side in size)
    return height, width


def sample_geometry(
    size: Size, augment: PanopticAugment, rng: SampleRng, scale: tuple[float, float]
) -> Geometry:
    """Sample the geometry of a training image.

    Published code resizes an image and then crops a window. Here the window is sampled at the same
    size, but cropped from the file's pixels, to the nearest ones: the image is resampled once.

    Args:
        size: Height and width of the image in pixels.
        augment: The options.
        rng: Random numbers of the sample.
        scale: Minimum and maximum of the scale, relative to fitting the crop.
    """
    return sample_fitted(size, augment.crop, rng, scale=scale, hflip=augment.hflip)
