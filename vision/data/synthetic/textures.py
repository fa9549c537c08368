"""Textured backgrounds: smooth noise, stripes, checks and gradients between two colours."""

import math
from typing import NamedTuple

import numpy as np

# Luminance avoids black and white, so that both are free for the objects.
VALUES = (0.25, 0.8)
GRAIN = 4.0  # levels, standard deviation of the noise of each pixel
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


class Texture(NamedTuple):
    """A background: `image` float32 `(H, W, 3)` RGB in [0, 255], `kind` its index in `TEXTURES`."""

    image: np.ndarray
    kind: int


def make_texture(rng: np.random.Generator, height: int, width: int) -> Texture:
    """Make a random background of a random kind.

    Args:
        rng: Source of every choice.
        height: In pixels.
        width: In pixels.
    """
    kind = int(rng.integers(len(TEXTURES)))
    pattern = PATTERNS[TEXTURES[kind]](rng, height, width)[..., None]  # (H, W, 1)
    first = hsv_color(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(*VALUES))
    shift = rng.uniform(-45, 45, size=3).astype(np.float32)
    image = first + pattern * shift
    image += rng.standard_normal((height, width, 1), dtype=np.float32) * GRAIN
    return Texture(image.clip(0, 255), kind)


def hsv_color(hue: float, saturation: float, value: float) -> np.ndarray:
    """A colour, float32 `(3,)` RGB in [0, 255], from hue, saturation and value in [0, 1]."""
    turns = (np.array([0.0, 2 / 3, 1 / 3]) + hue) % 1  # red is at hue 0
    shape = np.abs(turns * 6 - 3) - 1
    return (255 * value * (1 - saturation * (1 - shape.clip(0, 1)))).astype(np.float32)


def luminance(color: np.ndarray) -> float:
    """Mean perceived brightness of colours `(..., 3)`, in [0, 255]."""
    return float((color @ LUMINANCE).mean())


def _smooth_noise(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    from PIL import Image

    cells = int(rng.integers(3, 12))
    grid = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))


def _along(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Distance in pixels of each pixel from the corner, along a random direction."""
    angle = rng.uniform(0, math.pi)
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None]
    return rows * np.float32(math.sin(angle)) + columns * np.float32(math.cos(angle))


def _stripes(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    period = rng.uniform(8, 40)
    return (np.sin(_along(rng, height, width) * np.float32(2 * math.pi / period)) + 1) / 2


def _checks(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    side = int(rng.integers(6, 28))
    down, across = rng.integers(side, size=2)
    rows = (np.arange(height)[:, None] + down) // side
    columns = (np.arange(width)[None] + across) // side
    return ((rows + columns) % 2).astype(np.float32)


def _gradient(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    ramp = _along(rng, height, width)
    return (ramp - ramp.min()) / max(float(np.ptp(ramp)), 1.0)


PATTERNS = {
    "noise": _smooth_noise,
    "stripes": _stripes,
    "checks": _checks,
    "gradient": _gradient,
}
TEXTURES = tuple(PATTERNS)
