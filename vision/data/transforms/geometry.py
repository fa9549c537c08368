"""The geometry of an augmented image: crop, resize, flip and pad, sampled first, applied once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vision.data.transforms.crops import Box
from vision.data.transforms.detection_options import DetectionAugment
from vision.data.transforms.resizing import resize_planes
from vision.data.transforms.rng import SampleRng

# Share of the images that DETR's recipe crops.
CROP_PROBABILITY = 0.5

Size = tuple[int, int]  # height and width in pixels
_Planes = TypeVar("_Planes", Tensor, np.ndarray)


@dataclass(frozen=True)
class Geometry:
    """A map of the pixels, points and boxes of an image.

    A window of whole pixels is cropped, resized, flipped if `flip`, and put at the top left of a
    canvas. Points and boxes of the whole image are mapped in floating point, and may lie outside of
    the result if the window cuts them off.

    Attributes:
        image_size: Height and width of the image in pixels.
        window: The part of the image that is kept.
        size: Height and width of the resized window in pixels.
        flip: Whether it is flipped horizontally.
        canvas: Height and width of the result in pixels, `size` or more.
    """

    image_size: Size
    window: Box
    size: Size
    flip: bool
    canvas: Size

    @property
    def crops(self) -> bool:
        """Whether the window is smaller than the image."""
        return self.window != Box(0, 0, *self.image_size)

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the result per pixel of the image along x and y."""
        return self.size[1] / self.window.width, self.size[0] / self.window.height

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map points `(P, 2)`, x and y in pixels of the image; float64 `(P, 2)`."""
        offset = (self.window.left, self.window.top)
        mapped = (np.asarray(points, dtype=np.float64) - offset) * self.scale
        if self.flip:
            mapped[:, 0] = self.size[1] - mapped[:, 0]
        return mapped

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes `(M, 4)`, xyxy in pixels of the image, without clipping; float64 `(M, 4)`."""
        corners = self.points(np.asarray(boxes).reshape(-1, 2)).reshape(-1, 4)
        return corners[:, [2, 1, 0, 3]] if self.flip else corners

    def crop(self, image: _Planes) -> _Planes:
        """Crop an image or masks `(C, H, W)` to the window, as a view."""
        rows, columns = self.window.slices
        return image[:, rows, columns]

    def resize(
        self,
        window: Tensor,
        *,
        antialias: bool = True,
        recolor: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """Resize bilinearly and flip the window: uint8 `(3, h, w)` to uint8 `(3, *size)`.

        Args:
            window: The pixels.
            antialias: Whether the filter widens where it scales down.
            recolor: As in `resize_planes`.
        """
        return resize_planes(
            window, self.size, antialias=antialias, flip=self.flip, recolor=recolor
        )

    def pad(self, image: Tensor, fill: Sequence[int]) -> Tensor:
        """Pad the resized window to a canvas with a colour, uint8 `(3, *canvas)`."""
        if self.canvas == self.size:
            return image
        right, bottom = self.canvas[1] - self.size[1], self.canvas[0] - self.size[0]
        return F.pad(image, [0, 0, right, bottom], fill=list(fill))

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Map a mask of the window `(..., h, w)`, of any type, to `size` by the nearest pixels."""
        rows = _nearest(self.window.height, self.size[0])
        columns = _nearest(self.window.width, self.size[1])
        # Axis after axis: several times faster than both at once.
        return mask.take(rows, axis=-2).take(columns[::-1] if self.flip else columns, axis=-1)

    def nearest(self, planes: np.ndarray) -> np.ndarray:
        """Crop, resize and flip planes of the whole image `(..., H, W)` by the nearest pixels."""
        rows, columns = self.window.slices
        return self.mask(planes[..., rows, columns])


def fit_size(size: Size, *, short_side: float, long_side: float, overlong: bool = False) -> Size:
    """The size of an image scaled to a short side, limited by a long side.

    The scale is the same along both axes up to rounding, as in mmcv's `rescale_size`, so that sizes
    equal mmdetection's. An axis that would round to zero gets one pixel.

    Args:
        size: Height and width in pixels.
        short_side: Desired length of the short side.
        long_side: Largest length of the long side.
        overlong: Whether the long side may be longer if the scale would leave less than a pixel of
            the short one: for callers that crop the excess.

    Returns:
        Height and width in pixels, 1 or more.
    """
    scale = min(long_side / max(size), short_side / min(size))
    if overlong:
        scale = max(scale, 1 / min(size))
    height, width = (max(1, int(side * scale + 0.5)) for side in size)
    return height, width


def plain_geometry(size: Size, *, short_side: int, long_side: int) -> Geometry:
    """A resize of a whole image by `fit_size`."""
    fitted = fit_size(size, short_side=short_side, long_side=long_side)
    return Geometry(size, Box(0, 0, *size), fitted, flip=False, canvas=fitted)


def sample_geometry(size: Size, augment: DetectionAugment, rng: SampleRng) -> Geometry:
    """Sample the geometry of a training image.

    Published code crops a resized image, and resizes it again. Here the window is sampled at the
    same intermediate size, but cropped from the original image, to its nearest pixels: the image is
    resampled once.

    Args:
        size: Height and width of the image in pixels.
        augment: The options.
        rng: Random numbers of the sample.
    """
    flip = rng.chance(augment.hflip)
    if augment.jitter is not None:
        longest = augment.jitter_size * rng.uniform(*augment.jitter)
        scaled = fit_size(size, short_side=longest, long_side=longest, overlong=True)
        kept = (min(scaled[0], augment.jitter_size), min(scaled[1], augment.jitter_size))
        window = sample_window(size, scaled, kept, rng)
        return Geometry(size, window, kept, flip, (augment.jitter_size, augment.jitter_size))
    window, kept = Box(0, 0, *size), size
    if augment.crop == "detr" and rng.chance(CROP_PROBABILITY):
        # As in DETR, without the limit of the long side that Swin's configs set to 1333: it would
        # matter for images more than 2.2 times as long as wide.
        side = _choose(augment.crop_sides, rng)
        scaled = fit_size(size, short_side=side, long_side=float("inf"))
        kept = (
            _sample_length(scaled[0], augment.crop_size, rng),
            _sample_length(scaled[1], augment.crop_size, rng),
        )
        window = sample_window(size, scaled, kept, rng)
    side = _choose(augment.short_sides, rng)
    fitted = fit_size(kept, short_side=side, long_side=augment.long_side)
    return Geometry(size, window, fitted, flip, fitted)


def sample_fitted(
    size: Size, into: Size, rng: SampleRng, *, scale: tuple[float, float], hflip: float
) -> Geometry:
    """Sample the geometry of an image that is scaled at random and cropped to a size.

    Args:
        size: Height and width of the image in pixels.
        into: Height and width of the crop, at a random place. A smaller image is kept whole.
        rng: Random numbers of the sample.
        scale: Minimum and maximum of the scale, at 1 the largest at which it fits into the crop.
        hflip: Probability of a horizontal flip.
    """
    factor = rng.uniform(*scale) * min(into[0] / size[0], into[1] / size[1])
    scaled = max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
    kept = min(scaled[0], into[0]), min(scaled[1], into[1])
    window = sample_window(size, scaled, kept, rng)
    return Geometry(size, window, kept, rng.chance(hflip), kept)


def _choose(values: Sequence[int], rng: SampleRng) -> int:
    return values[rng.below(len(values))]


def _sample_length(length: int, limits: tuple[int, int], rng: SampleRng) -> int:
    """A random integer between the limits, which are capped at the length of the axis."""
    low, high = (min(length, limit) for limit in limits)
    return low + rng.below(high - low + 1)


def sample_window(size: Size, scaled: Size, kept: Size, rng: SampleRng) -> Box:
    """A window that covers `kept` pixels of the image resized to `scaled`, at a random place."""
    (top, bottom), (left, right) = (
        _sample_span(*lengths, rng) for lengths in zip(size, scaled, kept, strict=True)
    )
    return Box(top, left, bottom - top, right - left)


def _sample_span(length: int, scaled: int, kept: int, rng: SampleRng) -> tuple[int, int]:
    start = rng.below(scaled - kept + 1)
    first = min(round(start * length / scaled), length - 1)
    return first, max(first + 1, round((start + kept) * length / scaled))


def _nearest(length: int, size: int) -> np.ndarray:
    """For each of `size` pixels, the index of the one of `length` under its centre."""
    return ((2 * np.arange(size) + 1) * length) // (2 * size)
