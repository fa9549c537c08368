"""Photometric distortion, as in recipes for segmentation."""

from functools import cache
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from vision.data.transforms.rng import SampleRng

BRIGHTNESS = 32.0  # of 255, added
CONTRAST = (0.5, 1.5)
SATURATION = (0.5, 1.5)
HUE = 18  # steps of two degrees
PROBABILITY = 0.5
# The orders of the three channels, the usual one among them.
ORDERS = tuple(permutations(range(3)))
LEVELS = np.arange(256, dtype=np.float32)
# Steps of an 8-bit hue in a whole circle, and in a sixth of it.
HUES, SEXTANT = 180, 30
# OpenCV divides by a table of reciprocals, in units of 1 / 4096.
BITS = 12
BYTE = np.float32(1) / np.float32(255)
# Pixels that are processed at a time: their planes stay in the processor's cache.
CHUNK = 16384


def distort(image: Tensor, rng: SampleRng, *, hue: int = HUE, shuffle: bool = False) -> Tensor:
    """Distort the colours of an image at random.

    The order, the ranges and the rounding equal mmsegmentation's `PhotoMetricDistortion`, which
    follows "SSD: Single Shot MultiBox Detector", 2016, section 2.2, without the shuffle of
    channels: brightness by up to 32 of 255, contrast by 0.5 to 1.5, saturation by 0.5 to 1.5 and
    hue by -36 to 34 degrees in steps of two, each with probability 0.5; contrast comes before
    saturation and hue, or after them. The results of each step are truncated to integers; only the
    conversion to HSV rounds them.

    Args:
        image: uint8 `(3, H, W)` RGB.
        rng: Random numbers of the sample.
        hue: Largest turn of the hue in steps of two degrees.
        shuffle: Whether the three channels change places at last, with probability 0.5 too, as
            they do in SSD.

    Returns:
        uint8 `(3, H, W)`; the input is not changed.
    """
    planes = np.ascontiguousarray(image.numpy())
    if rng.chance(PROBABILITY):
        planes = adjust(planes, added=rng.uniform(-BRIGHTNESS, BRIGHTNESS))
    contrast_first = rng.chance(0.5)
    factor = rng.uniform(*CONTRAST) if rng.chance(PROBABILITY) else None
    if factor is not None and contrast_first:
        planes = adjust(planes, factor=factor)
    if rng.chance(PROBABILITY):
        planes = scale_saturation(planes, rng.uniform(*SATURATION))
    if rng.chance(PROBABILITY):
        planes = turn_hue(planes, rng.below(2 * hue) - hue)
    if factor is not None and not contrast_first:
        planes = adjust(planes, factor=factor)
    if shuffle and rng.chance(PROBABILITY):
        planes = planes[list(ORDERS[rng.below(len(ORDERS))])]
    return torch.from_numpy(planes)


def adjust(planes: np.ndarray, *, factor: float = 1.0, added: float = 0.0) -> np.ndarray:
    """Multiply all values and add to them, clip to 0..255 and truncate to integers.

    Args:
        planes: uint8, contiguous.
        factor: Factor of the values.
        added: Added to the product.

    Returns:
        uint8 of the same shape.
    """
    # `bytes.translate` is several times as fast as NumPy.
    translated = bytearray(planes).translate(_cut(LEVELS * factor + added).tobytes())
    return np.frombuffer(translated, dtype=np.uint8).reshape(planes.shape)


def scale_saturation(planes: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the 8-bit saturation of uint8 `(3, H, W)` RGB; hue and value are kept."""
    return _change_hsv(planes, np.arange(HUES), _cut(LEVELS * factor))


def turn_hue(planes: np.ndarray, steps: int) -> np.ndarray:
    """Shift the 8-bit hue of uint8 `(3, H, W)` RGB by steps of two degrees."""
    return _change_hsv(planes, (np.arange(HUES) + steps) % HUES, LEVELS)


def _cut(values: np.ndarray) -> np.ndarray:
    return np.clip(values, 0, 255).astype(np.uint8)


def _change_hsv(planes: np.ndarray, hues: np.ndarray, saturations: np.ndarray) -> np.ndarray:
    """Convert to OpenCV's 8-bit HSV, change hue and saturation by tables, and convert back.

    Args:
        planes: uint8 `(3, H, W)` RGB, contiguous.
        hues: The new hue for each, `(180,)`.
        saturations: The new saturation for each, `(256,)`.

    Returns:
        uint8 `(3, H, W)`.
    """
    falls = _falls()[:, hues]  # (3, 180)
    shares = saturations.astype(np.float32) * BYTE
    flat = planes.reshape(3, -1)
    result = np.empty_like(flat)
    for start in range(0, flat.shape[1], CHUNK):
        part = flat[:, start : start + CHUNK]
        # On bytes, vector instructions process many values at once.
        highest = np.maximum(np.maximum(part[0], part[1]), part[2])
        spread = highest - np.minimum(np.minimum(part[0], part[1]), part[2])
        saturation = _saturations().take((highest.astype(np.uint16) << 8) | spread)
        value, share = highest * BYTE, shares.take(saturation)
        # NumPy would convert bytes to indices in each of the three lookups.
        hue = _hues(part, highest, spread).astype(np.intp)
        for plane, fall in zip(result[:, start : start + CHUNK], falls, strict=True):
            # In OpenCV's order, since results just below or above integers are truncated.
            channel = fall.take(hue, mode="wrap")  # without a check of each index
            channel *= share
            np.subtract(1, channel, out=channel)
            channel *= value
            channel *= 255
            plane[:] = channel
    return result.reshape(planes.shape)


@cache
def _saturations() -> np.ndarray:
    """8-bit saturation by value and chroma: uint8 `(65536,)`, at `256 * value + chroma`."""
    levels = np.arange(256)
    table = (levels * _reciprocals(255)[:, None] + 2 ** (BITS - 1)) >> BITS
    return table.clip(max=255).astype(np.uint8).reshape(-1)


def _reciprocals(numerator: float) -> np.ndarray:
    """`numerator / i` for i from 0 to 255, in units of 1 / 4096; 0 for 0."""
    levels = np.arange(256)
    return np.where(levels > 0, np.rint(numerator * 2**BITS / np.maximum(levels, 1)), 0).astype(
        np.int32
    )


def _hues(part: np.ndarray, highest: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """8-bit hue, 0 to 179, of uint8 `(3, n)`; red is 0, green 60 and blue 120: int16 `(n,)`."""
    red, green, blue = part
    # 255 where a channel is the highest, else 0: masks that select a value for each pixel.
    is_red = (highest == red).view(np.uint8) * np.uint8(255)
    is_green = (highest == green).view(np.uint8) * np.uint8(255) & ~is_red
    is_blue = ~(is_red | is_green)
    ahead = green & is_red | blue & is_green | red & is_blue
    behind = blue & is_red | red & is_green | green & is_blue
    peak = is_green & 2 | is_blue & 4
    sextants = np.subtract(ahead, behind, dtype=np.int16) + peak * spread.astype(np.int16)
    units = _sextant_units().take(spread)
    units *= sextants
    units += 2 ** (BITS - 1)
    units >>= BITS
    hue = units.astype(np.int16)
    hue += (hue >> 15) & HUES  # the shift sets every bit of negative values
    return hue


@cache
def _sextant_units() -> np.ndarray:
    return _reciprocals(SEXTANT)


@cache
def _falls() -> np.ndarray:
    """How far below the value each channel is at each hue, in shares of the chroma: `(3, 180)`."""
    place = np.arange(HUES, dtype=np.float32) * (np.float32(6) / np.float32(HUES))
    sextant = place.astype(np.int64)
    after = place - sextant.astype(np.float32)
    zero, one = np.zeros_like(after), np.ones_like(after)
    # Red over the six sextants: at its peak, falling, twice at its least, rising, at its peak.
    # Green and blue are two and four sextants behind.
    red = np.stack([zero, after, one, one, 1 - after, zero])
    return np.stack([red[(sextant - 2 * i) % 6, np.arange(HUES)] for i in range(3)])
