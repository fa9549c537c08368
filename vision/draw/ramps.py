"""Colours for numbers: ramps of even steps."""

from functools import cache

import numpy as np

from vision.draw.color_space import from_lab, to_din99o, to_lab

STEPS = 256
# From near to far: lightness falls all the way, so that it can be read in grey too.
DEPTH = ((255, 246, 176), (251, 173, 92), (229, 92, 94), (148, 52, 132), (62, 28, 112), (12, 8, 40))
# From too near by way of right to too far.
SIGNED = ((20, 62, 150), (108, 160, 220), (247, 247, 247), (240, 140, 90), (165, 20, 30))
# From right to wrong.
ERROR = ((247, 247, 247), (252, 205, 110), (222, 85, 45), (110, 5, 40))

Anchors = tuple[tuple[int, int, int], ...]


@cache
def even_ramp(anchors: Anchors) -> np.ndarray:
    """Colours by way of others, in steps that look equally large.

    Args:
        anchors: sRGB colours in [0, 255], at least two.

    Returns:
        uint8 `(256, 3)` RGB, from the first anchor to the last. Neighbours are equally far apart in
        DIN99o, up to rounding.
    """
    lab = to_lab(np.array(anchors, np.float64))
    # Many more points than steps, along straight lines in L*a*b*.
    places = np.linspace(0, len(anchors) - 1, 16 * STEPS)
    path = np.stack([np.interp(places, range(len(anchors)), axis) for axis in lab.T], axis=1)
    lengths = np.linalg.norm(np.diff(to_din99o(path), axis=0), axis=1)
    travelled = np.concatenate([[0.0], lengths.cumsum()])
    even = np.linspace(0, travelled[-1], STEPS)
    chosen = np.stack([np.interp(even, travelled, axis) for axis in path.T], axis=1)
    ramp = from_lab(chosen).round().astype(np.uint8)
    ramp.setflags(write=False)
    return ramp


def ramp_colors(shares: np.ndarray, anchors: Anchors) -> np.ndarray:
    """The colours of numbers.

    Args:
        shares: Floats of any shape, 0 for the first colour and 1 for the last; others are clipped,
            NaN counts as 0.
        anchors: As in `even_ramp`.

    Returns:
        uint8, with one more axis for RGB.
    """
    places = np.nan_to_num(shares, nan=0.0).clip(0, 1) * (STEPS - 1)
    return even_ramp(anchors)[places.round().astype(np.uint8)]
