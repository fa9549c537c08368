"""What pictures of pixel maps share: images as arrays, stripes, pictures beside one another."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.draw.palette import GREY
from vision.errors import ConfigError

# Pixels without a value are hatched, so that no grey value looks like them: pixels of a stripe and
# of its period, for each 300 pixels of the long side.
STRIPE, PERIOD = 2, 8
LIGHT = (230, 230, 230)  # colour of the stripes
LARGEST = 600  # pixels, long side of a picture in a figure


def to_pixels(image: Tensor) -> np.ndarray:
    """An image, uint8 `(3, H, W)` RGB, as float32 `(H, W, 3)`.

    Raises:
        ConfigError: It has another type or shape.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ConfigError(
            f"an image of {image.dtype} {tuple(image.shape)} cannot be drawn: give uint8 (3, H, W)."
        )
    return image.permute(1, 2, 0).cpu().numpy().astype(np.float32)


def to_tensor(picture: np.ndarray) -> Tensor:
    """A picture `(H, W, 3)` in [0, 255] as uint8 `(3, H, W)`."""
    whole = picture.round().clip(0, 255).astype(np.uint8)
    return torch.from_numpy(whole).permute(2, 0, 1).contiguous()


def hatched(missing: np.ndarray) -> np.ndarray:
    """Where the stripes of pixels without a value are.

    Args:
        missing: bool `(H, W)`, pixels without a value.

    Returns:
        bool `(H, W)`.
    """
    height, width = missing.shape
    scale = max(1, round(max(height, width) / 300))
    diagonal = np.arange(height)[:, None] + np.arange(width)
    return missing & (diagonal % (PERIOD * scale) < STRIPE * scale)


def mark_missing(picture: np.ndarray, missing: np.ndarray) -> None:
    """Make pixels without a value grey with light stripes.

    Args:
        picture: `(H, W, 3)` in [0, 255], which is changed.
        missing: bool `(H, W)`.
    """
    picture[missing] = GREY
    picture[hatched(missing)] = LIGHT


def fit_figure(picture: Tensor) -> np.ndarray:
    """uint8 `(H, W, 3)`, made smaller where it is larger than a figure shows."""
    from PIL import Image

    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().cpu().numpy())
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return np.asarray(image)


def join_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pictures of one size beside one another, with white between them."""
    blank = np.full((pictures[0].shape[0], max(2, pictures[0].shape[1] // 40), 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (picture, blank)]
    return np.concatenate(parts[:-1], axis=1)
