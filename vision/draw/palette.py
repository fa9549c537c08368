"""Colours of classes that can be told apart in masks, boxes and bars.

"Colour displays for categorical images", C. Glasbey et al., Color Research and Application, 2007:
each next colour is the one that is farthest from all before it. Distances are Euclidean in DIN99o
(DIN 6176; "Uniform colour spaces based on the DIN99 colour-difference formula", G. Cui et al.,
2002), in which they are close to those that people see.
"""

from functools import cache

import numpy as np

COUNT = 255
GREY = (128, 128, 128)  # of ignored pixels
RED = (214, 32, 32)  # of wrong pixels
# No class has a colour near these.
RESERVED = ((0, 0, 0), (255, 255, 255), GREY, RED)
LEVELS = 16  # of red, green and blue among which colours are chosen
LIGHTNESS = (30, 90)  # of CIE L*: darker and lighter colours do not show on photographs
MIN_CHROMA = 18  # of CIE L*a*b*: below it a colour looks grey
# Classes of neighbouring indices often stand side by side: so many have clearly unlike values.
NEIGHBOURS, APART = 4, 100  # sum of the differences of red, green and blue

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65
TURN = np.radians(26)  # of the axes of DIN99o


@cache
def distinct_colors() -> tuple[tuple[int, int, int], ...]:
    """255 RGB colours in [0, 255]: the first few differ most."""
    steps = np.linspace(0, 255, LEVELS).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _to_lab(colors)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > LIGHTNESS[0]) & (lab[:, 0] < LIGHTNESS[1]) & (chroma > MIN_CHROMA)
    colors, places = colors[usable], _to_din99o(lab[usable])
    taken = _to_din99o(_to_lab(np.array(RESERVED, np.uint8)))
    # (N,): distance of each candidate to the nearest colour that is taken.
    nearest = np.linalg.norm(places[:, None] - taken, axis=-1).min(axis=1)
    values, chosen = colors.astype(int), list[int]()
    for _ in range(COUNT):
        scores = nearest.copy()
        for last in chosen[-NEIGHBOURS:]:
            scores[np.abs(values - values[last]).sum(axis=1) <= APART] = 0
        chosen.append(int(scores.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return tuple((int(red), int(green), int(blue)) for red, green, blue in values[chosen])


def _to_lab(colors: np.ndarray) -> np.ndarray:
    """uint8 sRGB `(N, 3)` as CIE L*a*b* `(N, 3)`."""
    shares = colors / 255.0
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(TO_XYZ).T / np.array(WHITE)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def _to_din99o(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* `(N, 3)` as lightness and two axes of DIN99o `(N, 3)`."""
    light, a, b = lab.T
    e = a * np.cos(TURN) + b * np.sin(TURN)
    f = 0.83 * (b * np.cos(TURN) - a * np.sin(TURN))
    chroma = np.log(1 + 0.075 * np.hypot(e, f)) / 0.0435
    hue = np.arctan2(f, e) + TURN
    brightness = 303.67 * np.log(1 + 0.0039 * light)
    return np.stack([brightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
