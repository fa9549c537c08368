"""Names in pictures: a coloured field with a line of text, where it hides no other."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vision.draw.figure import font

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

# Smaller images are enlarged by a whole number, so that names are legible.
MIN_SIDE = 512
# Left, top, right and bottom of a field in pixels.
Place = tuple[int, int, int, int]


def enlargement(size: Sequence[int]) -> int:
    """The whole number by which an image of a height and width is enlarged before it is named."""
    return max(1, -(-MIN_SIDE // max(size)))


def enlarge(image: Tensor, factor: int) -> Tensor:
    """Enlarge an image smoothly.

    Args:
        image: uint8 `(3, H, W)` RGB.
        factor: A whole number.

    Returns:
        uint8 `(3, factor H, factor W)`.
    """
    from PIL import Image

    small = Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())
    size = (small.width * factor, small.height * factor)
    pixels = np.array(small.resize(size, Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).permute(2, 0, 1)


def tag_size(text: str, picture: tuple[int, int]) -> tuple[int, int]:
    """Width and height of the field of a text.

    Args:
        text: One line.
        picture: Width and height of the picture.
    """
    left, top, right, bottom = font(font_size(picture)).getbbox(text)
    pad = _pad(picture)
    return round(right - left) + 2 * pad, round(bottom - top) + 2 * pad


def draw_tag(
    draw: "ImageDraw",
    text: str,
    color: tuple[int, int, int],
    *,
    wishes: Sequence[tuple[int, int]],
    taken: Sequence[Place],
    picture: tuple[int, int],
) -> Place:
    """Write a text in its field, hiding no other if possible.

    Args:
        draw: The picture.
        text: One line.
        color: RGB of the field; the text is black or white.
        wishes: Left and top of the field, the best first; it is moved into the picture.
        taken: Fields of other texts.
        picture: Width and height of the picture.

    Returns:
        The field.
    """
    size = font_size(picture)
    typeface, pad = font(size), _pad(picture)
    left, top, _, _ = typeface.getbbox(text)
    width, height = tag_size(text, picture)
    places = []
    for x, y in wishes:
        x = min(max(x, 0), max(picture[0] - width, 0))
        y = min(max(y, 0), max(picture[1] - height, 0))
        places.append((x, y, x + width, y + height))
    place = next((p for p in places if not any(_overlap(p, other) for other in taken)), places[0])
    draw.rectangle((place[0], place[1], place[2] - 1, place[3] - 1), fill=color)
    red, green, blue = color
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    ink = (0, 0, 0) if light else (255, 255, 255)
    draw.text((place[0] + pad - left, place[1] + pad - top), text, fill=ink, font=typeface)
    return place


def font_size(picture: tuple[int, int]) -> int:
    """Font size in pixels for a picture of a width and height; large ones are viewed smaller."""
    # A panorama is low: letters as for its width would hide what is in it.
    return max(14, round(min(max(picture), 2 * min(picture)) / 36))


def _pad(picture: tuple[int, int]) -> int:
    return max(2, font_size(picture) // 6)


def _overlap(a: Place, b: Place) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
