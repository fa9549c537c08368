"""Scales under pictures: a bar of the colours with round numbers below it."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vision.draw.figure import INK, font
from vision.draw.pixels import fit_figure, to_pixels, to_tensor
from vision.draw.ramps import Anchors, ramp_colors

MAX_TICKS = 7
# Narrower pictures are centred above a scale of this width, so that its numbers are legible.
MIN_WIDTH = 240
ROUND = (1.0, 2.0, 5.0)
# Draws a scale, uint8 `(H, W, 3)` RGB, from its width and the size of its type in pixels.
Strip = Callable[[int, int], np.ndarray]


def round_ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """Round numbers of a range, ascending.

    Args:
        low: Where it begins; above 0 if `log`.
        high: Where it ends, above `low`.
        log: Whether each is about the same multiple of the one before, and not the same step
            farther.

    Returns:
        At most seven numbers within the range, multiples of 1, 2 or 5 times a power of ten.
    """
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        for parts, apart in ((ROUND, 1), *(((1.0,), apart) for apart in (1, 2, 4, 8, 16, 32, 64))):
            powers = range(first, last + 1, apart)
            ticks = [part * 10.0**power for power in powers for part in parts]
            ticks = [tick for tick in ticks if low <= tick <= high]
            if len(ticks) <= MAX_TICKS:
                break
        # A short range may have one round number or none.
        if len(ticks) > 1:
            return ticks
    power = 10.0 ** math.floor(math.log10(high - low)) / 10
    steps = [part * power * ten for ten in (1, 10, 100) for part in ROUND]
    for step in steps:
        begin, end = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if end - begin < MAX_TICKS:
            break
    return [round(number * step, 12) for number in range(begin, end + 1)]


def scale_strip(
    width: int,
    size_px: int,
    anchors: Anchors,
    ticks: Sequence[tuple[float, str]],
    unit: str,
) -> np.ndarray:
    """Draw a scale.

    Args:
        width: In pixels.
        size_px: Size of its type in pixels.
        anchors: Colours, as in `even_ramp`.
        ticks: Place in [0, 1] and text of each number, in the order of their places; those that
            would touch the one before them are left out.
        unit: What stands at the right end.

    Returns:
        uint8 `(H, width, 3)` RGB.
    """
    from PIL import Image, ImageDraw

    margin, bar = size_px, max(6, round(0.7 * size_px))
    strip = Image.new("RGB", (width, 2 * bar + 2 * size_px), "white")
    draw, typeface = ImageDraw.Draw(strip), font(size_px, bold=False)
    right = width - margin - round(draw.textlength(f" {unit}", font=typeface))
    length = max(2, right - margin)
    colors = ramp_colors(np.linspace(0, 1, length), anchors)
    strip.paste(Image.fromarray(np.repeat(colors[None], bar, axis=0)), (margin, bar // 2))
    draw.text((width - margin, bar), unit, fill=INK, font=typeface, anchor="rm")
    below, free = bar // 2 + bar, 0.0
    for place, text in ticks:
        half = draw.textlength(text, font=typeface) / 2
        x = margin + place * (length - 1)
        middle = min(max(x, half), width - half)
        if middle - half < free:
            continue
        free = middle + half + size_px / 2
        draw.line((x, below, x, below + size_px // 3), fill=INK)
        draw.text((middle, below + size_px // 2), text, fill=INK, font=typeface, anchor="mt")
    return np.asarray(strip)


def add_strip(picture: Tensor, draw_strip: Strip) -> Tensor:
    """Put a scale below a picture.

    Args:
        picture: uint8 `(3, H, W)` RGB.
        draw_strip: Draws the scale.

    Returns:
        uint8 `(3, H + h, W')` RGB; W' is W, or `MIN_WIDTH` where W is smaller.
    """
    pixels = to_pixels(picture).astype(np.uint8)
    height, width = pixels.shape[:2]
    whole = max(width, MIN_WIDTH)
    strip = draw_strip(whole, type_size(height, whole))
    sheet = np.full((height + len(strip), whole, 3), 255, np.uint8)
    left = (whole - width) // 2
    sheet[:height, left : left + width] = pixels
    sheet[height:] = strip
    return torch.from_numpy(sheet).permute(2, 0, 1).contiguous()


def add_strips(pictures: Sequence[Tensor], strips: Sequence[Strip | None]) -> tuple[Tensor, ...]:
    """Put scales below pictures of one size, in the size of a figure, so that they are legible.

    Args:
        pictures: uint8 `(3, H, W)` RGB each.
        strips: Draws the scale of each; None for white, as high as the others.

    Returns:
        uint8 `(3, H', W')` RGB each.
    """
    other = next(strip for strip in strips if strip is not None)

    def blank(width: int, size_px: int) -> np.ndarray:
        return np.full_like(other(width, size_px), 255)

    small = [legible(fit_figure(picture)) for picture in pictures]
    return tuple(add_strip(one, strip or blank) for one, strip in zip(small, strips, strict=True))


def legible(picture: np.ndarray) -> Tensor:
    """A picture `(H, W, 3)` as uint8 `(3, H', W')`, enlarged by a whole number to `MIN_WIDTH`."""
    factor = max(1, -(-MIN_WIDTH // picture.shape[1]))
    return to_tensor(picture.repeat(factor, axis=0).repeat(factor, axis=1))


def type_size(height: int, width: int) -> int:
    """Size of the type of a scale in pixels, for a picture of a size."""
    return max(12, round(max(height, width) / 45))
