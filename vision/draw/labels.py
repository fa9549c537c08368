"""A picture of one classified image: the image, and below it the most likely classes with bars."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.draw.figure import INK, class_color, font
from vision.draw.text import one_line
from vision.errors import ConfigError

# Smaller images are enlarged by a whole number, so that names are legible below them.
MIN_SIDE = 320
LONGEST_NAME = 28
PALE = 0.72  # share of white in the colour of a bar


def draw_labels(image: Tensor, ranked: Sequence[tuple[int, str, float]]) -> Tensor:
    """Draw an image with classes below it, a line each with its name, a bar and its probability.

    Args:
        image: uint8 `(3, H, W)` RGB.
        ranked: Class index, name and probability in [0, 1], the most likely first.

    Returns:
        uint8 `(3, H', W')` RGB: the image, enlarged by a whole number if its long side is below 320
        pixels, and the lines below it; wider than the image where that is narrow.

    Raises:
        ConfigError: The image is not uint8 `(3, H, W)`, or there are no classes.
    """
    from PIL import Image, ImageDraw

    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise ConfigError(
            f"an image of {image.dtype} {tuple(image.shape)} cannot be drawn: give uint8 (3, H, W)."
        )
    if not ranked:
        raise ConfigError("there are no classes to draw.")
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
    factor = max(1, -(-MIN_SIDE // max(picture.size)))
    picture = picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )
    width = max(picture.width, MIN_SIDE)
    size_px = max(14, round(max(picture.size) / 36))
    line = round(1.6 * size_px)
    canvas = Image.new("RGB", (width, picture.height + line * len(ranked)), "white")
    canvas.paste(picture, ((width - picture.width) // 2, 0))
    draw, typeface = ImageDraw.Draw(canvas), font(size_px)
    for place, (label, name, score) in enumerate(ranked):
        top = picture.height + place * line
        draw.rectangle((0, top + 1, round(score * (width - 1)), top + line - 2), fill=_pale(label))
        middle = top + line // 2
        number = f"{score:.1%}"
        room = width - 3 * (size_px // 2) - draw.textlength(number, font=typeface)
        short = one_line(name, LONGEST_NAME)
        while len(short) > 2 and draw.textlength(short, font=typeface) > room:
            short = f"{short[:-2]}…"
        draw.text((size_px // 2, middle), short, fill=INK, font=typeface, anchor="lm")
        draw.text((width - size_px // 2, middle), number, fill=INK, font=typeface, anchor="rm")
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


def _pale(label: int) -> tuple[int, int, int]:
    red, green, blue = (round(PALE * 255 + (1 - PALE) * part) for part in class_color(label))
    return red, green, blue
