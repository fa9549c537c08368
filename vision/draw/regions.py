"""Regions of an image in colours: classes of pixels, or segments."""

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.draw.palette import GREY
from vision.draw.pixels import LIGHT, hatched, to_pixels, to_tensor
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.patches import Patch

OPACITY = 0.55
HATCHED = 0.8  # opacity of the stripes of ignored pixels
# Share of the picture's contrast that is kept below errors, on a light ground.
PALE = 0.35


def tint_regions(
    image: Tensor,
    regions: np.ndarray,
    colors: np.ndarray,
    *,
    ignored: int,
    opacity: float = OPACITY,
    boundaries: bool = True,
) -> Tensor:
    """Tint an image with the colours of its regions.

    Args:
        image: uint8 `(3, H, W)` RGB.
        regions: Integers `(H, W)`, row of `colors` for each pixel.
        colors: `(R, 3)` RGB in [0, 255].
        ignored: The region that has light stripes.
        opacity: Of the colours, in [0, 1].
        boundaries: Whether to draw the edges of each region in its full colour, some pixels wide in
            large images.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    pixels = to_pixels(image)
    tint = colors.astype(np.float32)[regions]
    strength = np.full((*regions.shape, 1), opacity, np.float32)
    if boundaries:
        strength[_edges(regions, max(1, round(max(regions.shape) / 500)))] = 1
    stripes = hatched(regions == ignored)
    tint[stripes], strength[stripes] = LIGHT, max(opacity, HATCHED)
    return to_tensor(pixels + (tint - pixels) * strength)


def pale(image: Tensor) -> np.ndarray:
    """An image in light greys, to draw on: float32 `(H, W, 3)`.

    Raises:
        ConfigError: It is not uint8 `(3, H, W)`.
    """
    pixels = to_pixels(image)
    light = pixels.mean(axis=2, keepdims=True)
    return np.broadcast_to(255 - PALE * (255 - light), pixels.shape).copy()


def read_mask(mask: Tensor, image: Tensor) -> np.ndarray:
    """A mask as integers `(H, W)`.

    Raises:
        ConfigError: It has another size than the image.
    """
    height, width = image.shape[1:]
    if mask.shape != (height, width):
        raise ConfigError(
            f"a mask of shape {tuple(mask.shape)} does not fit an image of {height} x {width} "
            "pixels (height x width)."
        )
    return mask.cpu().numpy()


def hatched_patch(label: str) -> "Patch":
    """The entry of a legend for ignored pixels, as `tint_regions` draws them."""
    from matplotlib.patches import Patch

    grey, light = (np.array(color) / 255 for color in (GREY, LIGHT))
    style: Any = {"facecolor": grey, "edgecolor": light, "linewidth": 0, "hatch": "/////"}
    return Patch(label=label, **style)


def _edges(regions: np.ndarray, width: int) -> np.ndarray:
    """Whether another region is within `width` pixels up, down or sideways: bool `(H, W)`."""
    edges = np.zeros(regions.shape, bool)
    for step in range(1, width + 1):
        down = regions[step:] != regions[:-step]
        across = regions[:, step:] != regions[:, :-step]
        edges[step:] |= down
        edges[:-step] |= down
        edges[:, step:] |= across
        edges[:, :-step] |= across
    return edges
