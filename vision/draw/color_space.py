"""Colour spaces in which distances are close to those that people see.

sRGB and CIE L*a*b* for D65; DIN99o is DIN 6176 ("Uniform colour spaces based on the DIN99
colour-difference formula", G. Cui et al., 2002).
"""

import numpy as np

TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
WHITE = (0.95047, 1.0, 1.08883)  # D65
TURN = np.radians(26)  # of the axes of DIN99o


def to_lab(colors: np.ndarray) -> np.ndarray:
    """SRGB in [0, 255] `(N, 3)` as CIE L*a*b* `(N, 3)`."""
    shares = colors / 255.0
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array(TO_XYZ).T / np.array(WHITE)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def from_lab(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* `(N, 3)` as sRGB in [0, 255] `(N, 3)`; colours outside it are clipped."""
    y = (lab[:, 0] + 16) / 116
    places = np.stack([y + lab[:, 1] / 500, y, y - lab[:, 2] / 200], axis=1)
    xyz = np.where(places**3 > 0.008856, places**3, (places - 16 / 116) / 7.787) * np.array(WHITE)
    linear = (xyz @ np.linalg.inv(np.array(TO_XYZ)).T).clip(0, 1)
    shares = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return 255 * shares


def to_din99o(lab: np.ndarray) -> np.ndarray:
    """CIE L*a*b* `(N, 3)` as lightness and two axes of DIN99o `(N, 3)`."""
    light, a, b = lab.T
    e = a * np.cos(TURN) + b * np.sin(TURN)
    f = 0.83 * (b * np.cos(TURN) - a * np.sin(TURN))
    chroma = np.log(1 + 0.075 * np.hypot(e, f)) / 0.0435
    hue = np.arctan2(f, e) + TURN
    brightness = 303.67 * np.log(1 + 0.0039 * light)
    return np.stack([brightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
