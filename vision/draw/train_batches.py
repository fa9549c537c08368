"""Pictures of training batches as a model sees them: augmented images with their targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.draw.figure import INK, font
from vision.draw.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_IMAGES = 16
CELL = 320  # pixels, long side of an image in the grid
DENSE_CELL = 512  # the same, where there are small things to see
GAP = 10


@dataclass(frozen=True)
class TrainBatch:
    """The first images of a training batch, after augmentation.

    Attributes:
        images: uint8 `(3, H, W)` RGB each, without their padding; empty for volumes.
        batch: The batch, with tensors on the CPU; its lists and first axes begin with the images.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.
    """

    images: Sequence[Tensor]
    batch: Mapping[str, Any]
    class_names: Sequence[str]
    palette: np.ndarray | None = None


# An image with its target, and a line below it.
Cell = tuple[Tensor, str]


def draw_train_batch(
    train_cells: Callable[[TrainBatch], list[Cell]], shown: TrainBatch
) -> "Image | None":
    """Draw a grid of the images of a batch with their targets.

    Args:
        train_cells: Draws the images one by one: the column `train_cells` of `vision.kinds`.
        shown: The batch to draw, at most 16 images of it.

    Returns:
        A picture; None without images or without targets.
    """
    cells = train_cells(shown)[:MAX_IMAGES]
    return _grid(cells) if cells else None


def shown_name(class_names: Sequence[str], label: int) -> str:
    """The name of a class in one short line; its number where it has none."""
    return one_line(class_names[label] if 0 <= label < len(class_names) else str(label), 24)


def fit_side(image: Tensor, side: int) -> Tensor:
    """Bring the long side near to `side`: smaller, or larger by a whole number."""
    long = max(image.shape[1:])
    if long > side:
        size = [max(1, round(length * side / long)) for length in image.shape[1:]]
        return resize(image, size)
    factor = max(1, side // (2 * long))
    return image.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def fit_map(planes: Tensor, picture: Tensor) -> Tensor:
    """Numbers of each pixel in the size of a picture, by the nearest pixels.

    Args:
        planes: float `(..., h, w)`.
        picture: `(3, H, W)`.

    Returns:
        float `(..., H, W)`.
    """
    single = planes.reshape(1, -1, *planes.shape[-2:]).float()
    fitted = F.interpolate(single, picture.shape[1:], mode="nearest-exact")
    return fitted.reshape(*planes.shape[:-2], *picture.shape[1:])


def resize(image: Tensor, size: Sequence[int]) -> Tensor:
    """An image, uint8 `(3, H, W)`, in another size `(H, W)`."""
    small = F.interpolate(image[None].float(), tuple(size), mode="bilinear", antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)


def _grid(cells: Sequence[Cell]) -> "Image":
    """The cells in rows, with their lines; small ones are centred in their place."""
    from PIL import Image, ImageDraw

    columns = int(np.ceil(np.sqrt(len(cells))))
    rows = -(-len(cells) // columns)
    width = max(max(picture.shape[2] for picture, _ in cells), 160)
    height = max(picture.shape[1] for picture, _ in cells)
    size_px = max(13, width // 32)
    typeface = font(size_px)
    line = round(1.9 * size_px)
    size = (columns * (width + GAP) + GAP, rows * (height + line + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, text) in enumerate(cells):
        x = GAP + number % columns * (width + GAP)
        y = GAP + number // columns * (height + line + GAP)
        pixels = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
        sheet.paste(pixels, (x + (width - pixels.width) // 2, y + (height - pixels.height) // 2))
        while len(text) > 1 and draw.textlength(text, font=typeface) > width:
            text = f"{text[:-2]}…"
        start = x + (width - draw.textlength(text, font=typeface)) / 2
        draw.text((start, y + height + size_px // 4), text, fill=INK, font=typeface)
    return sheet
