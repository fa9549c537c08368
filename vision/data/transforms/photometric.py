"""Photometric distortion, as in recipes for segmentation."""

from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.data.transforms.hsv import HUES, change_hsv
from vision.data.transforms.operators import look_up
from vision.data.transforms.rng import SampleRng

BRIGHTNESS = 32.0  # of 255, added
CONTRAST = (0.5, 1.5)
SATURATION = (0.5, 1.5)
HUE = 18  # steps of two degrees
PROBABILITY = 0.5
# The orders of the three channels, the usual one among them.
ORDERS = tuple(permutations(range(3)))
LEVELS = np.arange(256, dtype=np.float32)


class Distortion(NamedTuple):
    """What is done to the colours of an image; None leaves a step out.

    Attributes:
        added: Added to all values, in levels.
        factor: Factor of all values.
        factor_first: Whether it comes before saturation and hue, or after them.
        saturation: Factor of the saturation.
        turn: Turn of the hue in steps of two degrees.
        order: The channels that come to be red, green and blue.
    """

    added: float | None
    factor: float | None
    factor_first: bool
    saturation: float | None
    turn: int | None
    order: tuple[int, ...] | None


def distort(image: Tensor, rng: SampleRng, *, hue: int = HUE, shuffle: bool = False) -> Tensor:
    """Distort the colours of an image at random.

    The order, the ranges and the rounding equal mmsegmentation's `PhotoMetricDistortion`, which
    follows "SSD: Single Shot MultiBox Detector", 2016, section 2.2, without the shuffle of
    channels: brightness by up to 32 of 255, contrast by 0.5 to 1.5, saturation by 0.5 to 1.5 and
    hue by -36 to 34 degrees in steps of two, each with probability 0.5; contrast comes before
    saturation and hue, or after them. The results of each step are truncated to integers; only the
    conversion to HSV rounds them.

    Args:
        image: uint8 `(3, H, W)` RGB; fastest with interleaved channels.
        rng: Random numbers of the sample.
        hue: Largest turn of the hue in steps of two degrees.
        shuffle: Whether the three channels change places at last, with probability 0.5 too, as
            they do in SSD.

    Returns:
        uint8 `(3, H, W)` with interleaved channels; the input is not changed.
    """
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())  # (H, W, 3)
    changed = apply_distortion(pixels, sample_distortion(rng, hue, shuffle=shuffle))
    return torch.from_numpy(changed).permute(2, 0, 1)


def sample_distortion(rng: SampleRng, hue: int, *, shuffle: bool) -> Distortion:
    """Sample what `distort` does; the arguments are its own."""
    added = rng.uniform(-BRIGHTNESS, BRIGHTNESS) if rng.chance(PROBABILITY) else None
    factor_first = rng.chance(0.5)
    factor = rng.uniform(*CONTRAST) if rng.chance(PROBABILITY) else None
    saturation = rng.uniform(*SATURATION) if rng.chance(PROBABILITY) else None
    turn = rng.below(2 * hue) - hue if rng.chance(PROBABILITY) else None
    shuffled = shuffle and rng.chance(PROBABILITY)
    order = ORDERS[rng.below(len(ORDERS))] if shuffled else None
    return Distortion(added, factor, factor_first, saturation, turn, order)


def apply_distortion(pixels: np.ndarray, drawn: Distortion) -> np.ndarray:
    """Change the colours of uint8 `(H, W, 3)` RGB, contiguous; the input is not changed."""
    # Steps that change each value by itself, one after the other, are one table.
    table = LEVELS
    if drawn.added is not None:
        table = adjust(table, added=drawn.added)
    if drawn.factor is not None and drawn.factor_first:
        table = adjust(table, factor=drawn.factor)
    if drawn.saturation is not None or drawn.turn is not None:
        if table is not LEVELS:
            pixels, table = look_up(pixels, table), LEVELS
        if drawn.saturation is not None:
            pixels = scale_saturation(pixels, drawn.saturation)
        if drawn.turn is not None:
            pixels = turn_hue(pixels, drawn.turn)
    if drawn.factor is not None and not drawn.factor_first:
        table = adjust(table, factor=drawn.factor)
    if table is not LEVELS:
        pixels = look_up(pixels, table)
    return pixels if drawn.order is None else pixels[..., list(drawn.order)]


def adjust(values: np.ndarray, *, factor: float = 1.0, added: float = 0.0) -> np.ndarray:
    """Multiply values and add to them, clip to 0..255 and truncate to integers.

    Args:
        values: Of any shape, in 0..255.
        factor: Factor of the values.
        added: Added to the product.

    Returns:
        uint8 of the same shape.
    """
    return _cut(values * np.float32(factor) + np.float32(added))


def scale_saturation(pixels: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the 8-bit saturation of uint8 `(H, W, 3)` RGB; hue and value are kept."""
    return change_hsv(pixels, np.arange(HUES), _cut(LEVELS * factor))


def turn_hue(pixels: np.ndarray, steps: int) -> np.ndarray:
    """Shift the 8-bit hue of uint8 `(H, W, 3)` RGB by steps of two degrees."""
    return change_hsv(pixels, (np.arange(HUES) + steps) % HUES, LEVELS.astype(np.uint8))


def _cut(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)
