"""OpenCV's 8-bit HSV: hue and saturation changed by tables."""

from functools import cache
from typing import Any

import numpy as np

# Steps of an 8-bit hue in a whole circle, and in a sixth of it.
HUES, SEXTANT = 180, 30
# OpenCV divides by a table of reciprocals, in units of 1 / 4096.
BITS = 12
BYTE = np.float32(1) / np.float32(255)
# Pixels that are processed at a time stay in the processor's cache. It is a multiple of 32, which
# OpenCV truncates in vectors; it would round the rest of a row.
CHUNK, VECTOR = 16384, 32


def change_hsv(pixels: np.ndarray, hues: np.ndarray, saturations: np.ndarray) -> np.ndarray:
    """Convert to OpenCV's 8-bit HSV, change hue and saturation by tables, and convert back.

    OpenCV does it where it is installed (it comes with albumentations and mmcv), several times as
    fast as NumPy. Both agree, but for one level of a channel in one of 20,000 colours, where
    OpenCV's fused multiplication rounds to the other side of an integer.

    Args:
        pixels: uint8 `(H, W, 3)` RGB, contiguous.
        hues: The new hue for each, `(180,)`.
        saturations: The new saturation for each, uint8 `(256,)`.

    Returns:
        uint8 `(H, W, 3)`, contiguous.
    """
    flat = pixels.reshape(-1, 3)
    opencv = _opencv()
    change = _Tables(hues, saturations) if opencv is None else _OpenCV(opencv, hues, saturations)
    result = np.empty_like(flat)
    for start in range(0, len(flat), CHUNK):
        change(flat[start : start + CHUNK], result[start : start + CHUNK])
    return result.reshape(pixels.shape)


@cache
def _opencv() -> Any:
    """The module; None where it is absent, or lacks a library of the system."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


class _OpenCV:
    """Changes pixels by OpenCV: as one row, which it does not spread over threads."""

    def __init__(self, cv2: Any, hues: np.ndarray, saturations: np.ndarray) -> None:
        self.cv2 = cv2
        same = np.arange(256, dtype=np.uint8)
        tables = np.concatenate([hues, same[HUES:]]).astype(np.uint8), saturations
        # Of hue and saturation, those that change.
        self.tables = [(i, one) for i, one in enumerate(tables) if not np.array_equal(one, same)]

    def __call__(self, pixels: np.ndarray, result: np.ndarray) -> None:
        """Change uint8 `(n, 3)`, and write the result."""
        cv2, count = self.cv2, len(pixels)
        if missing := -count % VECTOR:
            pixels = np.concatenate([pixels, np.zeros((missing, 3), dtype=np.uint8)])
        hsv = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2HSV)
        for channel, table in self.tables:
            cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, channel), table), hsv, channel)
        result[:] = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, :count]


class _Tables:
    """Changes pixels by NumPy."""

    def __init__(self, hues: np.ndarray, saturations: np.ndarray) -> None:
        self.falls = _falls()[:, hues]  # (3, 180)
        self.shares = saturations.astype(np.float32) * BYTE

    def __call__(self, pixels: np.ndarray, result: np.ndarray) -> None:
        """Change uint8 `(n, 3)`, and write the result."""
        part = np.ascontiguousarray(pixels.T)
        # On bytes, vector instructions process many values at once.
        highest = np.maximum(np.maximum(part[0], part[1]), part[2])
        spread = highest - np.minimum(np.minimum(part[0], part[1]), part[2])
        saturation = _saturations().take((highest.astype(np.uint16) << 8) | spread)
        value, share = highest * BYTE, self.shares.take(saturation)
        # NumPy would convert bytes to indices in each of the three lookups.
        hue = _hues(part, highest, spread).astype(np.intp)
        for plane, fall in zip(result.T, self.falls, strict=True):
            # In OpenCV's order, since results just below or above integers are truncated.
            channel = fall.take(hue, mode="wrap")  # without a check of each index
            channel *= share
            np.subtract(1, channel, out=channel)
            channel *= value
            channel *= 255
            plane[:] = channel


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
