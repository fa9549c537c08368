"""Textures of walls and floors, with a size in metres: what is farther away looks finer."""

import math
from dataclasses import dataclass

import numpy as np

from vision.data.synthetic.textures import hsv_color

# Metres after which the patterns repeat. One size for all scenes makes them a measure of distance.
PERIODS = {"checks": 0.5, "stripes": 0.25, "noise": 0.4}
KINDS = tuple(PERIODS)
VALUES = (0.55, 0.85)
SHIFT = 45.0  # levels between the two colours, at most, in each channel
# Share of the period that a pixel may cover before the pattern fades, and at which it is gone.
FADE = (0.25, 0.5)
NOISE_CELLS = 16  # values along each axis after which the noise repeats


@dataclass(frozen=True)
class Surface:
    """A texture.

    Attributes:
        kind: One of `KINDS`.
        color: RGB of the mean, float32 `(3,)` in [0, 255].
        shift: RGB of the difference between the extremes of the pattern, float32 `(3,)`.
        phase: Metres by which the pattern is shifted across and along the plane.
        noise: float32 `(NOISE_CELLS, NOISE_CELLS)` in [-0.5, 0.5].
    """

    kind: str
    color: np.ndarray
    shift: np.ndarray
    phase: tuple[float, float]
    noise: np.ndarray

    @classmethod
    def sampled(cls, rng: np.random.Generator) -> "Surface":
        """A random texture."""
        kind = KINDS[int(rng.integers(len(KINDS)))]
        color = hsv_color(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(*VALUES))
        sign = rng.choice([-1.0, 1.0], size=3)
        shift = (sign * rng.uniform(0.4 * SHIFT, SHIFT, size=3)).astype(np.float32)
        phase = rng.uniform(0, 10, size=2)
        noise = rng.random((NOISE_CELLS, NOISE_CELLS), dtype=np.float32) - 0.5
        return cls(kind, color, shift, (float(phase[0]), float(phase[1])), noise)

    def colors(self, across: np.ndarray, along: np.ndarray, footprint: np.ndarray) -> np.ndarray:
        """Colours at places of a plane.

        Args:
            across: `(N,)` in metres.
            along: `(N,)` in metres.
            footprint: `(N,)`, metres of the plane that a pixel covers. The pattern fades to its
                mean where it would be finer than the pixels.

        Returns:
            float32 `(N, 3)` RGB.
        """
        first, second = across + self.phase[0], along + self.phase[1]
        period = PERIODS[self.kind]
        if self.kind == "noise":
            pattern = self._smooth_noise(first / period, second / period)
        elif self.kind == "stripes":
            pattern = 0.5 * np.sin(first * (2 * math.pi / period))
        else:
            pattern = ((np.floor(2 * first / period) + np.floor(2 * second / period)) % 2) - 0.5
        start, end = FADE
        fade = ((end - footprint / period) / (end - start)).clip(0, 1)
        return self.color + (pattern * fade).astype(np.float32)[:, None] * self.shift

    def _smooth_noise(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Values between those of a grid, bilinear with smooth steps; one cell is 1."""
        steps = []
        for place in (first, second):
            cell = np.floor(place)
            rest = place - cell
            low = cell.astype(np.intp) % NOISE_CELLS
            steps.append((low, (low + 1) % NOISE_CELLS, rest * rest * (3 - 2 * rest)))
        (top, bottom, down), (left, right, aside) = steps
        above = self.noise[top, left] * (1 - aside) + self.noise[top, right] * aside
        below = self.noise[bottom, left] * (1 - aside) + self.noise[bottom, right] * aside
        return above * (1 - down) + below * down
