"""Colours of classes that can be told apart in masks, boxes and bars.

"Colour displays for categorical images", C. Glasbey et al., Color Research and Application, 2007:
each next colour is the one that is farthest from all before it, in DIN99o.
"""

from functools import cache

import numpy as np

from vision.draw.color_space import to_din99o, to_lab

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


@cache
def distinct_colors() -> tuple[tuple[int, int, int], ...]:
    """255 RGB colours in [0, 255]: the first few differ most."""
    steps = np.linspace(0, 255, LEVELS).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = to_lab(colors)
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    usable = (lab[:, 0] > LIGHTNESS[0]) & (lab[:, 0] < LIGHTNESS[1]) & (chroma > MIN_CHROMA)
    colors, places = colors[usable], to_din99o(lab[usable])
    taken = to_din99o(to_lab(np.array(RESERVED, np.uint8)))
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
