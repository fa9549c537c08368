"""Composed tumours: an enhancing rim around a necrotic core, within oedema.

Classes are those of BraTS: 1 necrotic core (NCR), 2 oedema (ED), 3 enhancing tumour (ET).
Letters: L lesions and their tissues, D, H, W cells along the axes of an array.
"""

from typing import NamedTuple

import numpy as np

from vision.data.synthetic.head_anatomy import Anatomy
from vision.data.synthetic.head_space import rotation, smooth_field, soft_step

LESION_TISSUES = ("NCR", "ED", "ET")
TWO, WITHOUT_ENHANCEMENT = 0.2, 0.15  # shares of subjects, and of lesions
# Mean radius of the whole, and of the core and what is necrotic of it as shares of that.
WHOLE_MM, CORE, NECROTIC = (19.0, 34.0), (0.55, 0.8), (0.4, 0.8)
# The second lesion of a subject is smaller.
SECOND = 0.6
RIM_MM = 4.5  # of enhancing tissue, at least
DEEP_MM = 9.0  # of the centre of a lesion below the surface of the brain, at least
LEVEL_MM = 40.0  # of the centre above and below that of the head, at most


class Lesions(NamedTuple):
    """The lesions of a subject.

    Attributes:
        classes: uint8 `(D, H, W)`, 0 where there is none.
        parts: float32 `(L, D, H, W)`, the part of each tissue of lesions in each cell; what is left
            to 1 is healthy.
    """

    classes: np.ndarray
    parts: np.ndarray


def compose_lesions(rng: np.random.Generator, head: Anatomy, *, width_mm: float) -> Lesions:
    """Compose one or two lesions within a brain.

    Args:
        rng: Source of every choice.
        head: The head.
        width_mm: About half of the width of the border between two tissues.
    """
    shape = head.brain_mm.shape
    lesions = Lesions(
        np.zeros(shape, np.uint8), np.zeros((len(LESION_TISSUES), *shape), np.float32)
    )
    for number in range(1 + (rng.random() < TWO)):
        radius = rng.uniform(*WHOLE_MM) * (SECOND if number else 1)
        depths = _one(rng, head, radius)
        for tissue, depth in depths.items():
            label = LESION_TISSUES.index(tissue)
            inside = depth > 0
            # A smaller lesion does not turn the core of a larger one into oedema.
            inside &= (lesions.classes == 0) | (tissue != "ED")
            lesions.classes[inside] = label + 1
            share = soft_step(depth, width_mm)
            if tissue == "ED":
                share = np.minimum(share, 1 - lesions.parts.sum(axis=0))
                lesions.parts[label] += share
                continue
            lesions.parts[:] *= 1 - share
            lesions.parts[label] += share
    return lesions


def _one(rng: np.random.Generator, head: Anatomy, radius: float) -> dict[str, np.ndarray]:
    """Depth in millimetres below the border of each tissue of a lesion, the outer ones first."""
    distance = _distance(rng, head, radius)
    shape = distance.shape
    whole = radius - distance + 0.16 * radius * smooth_field(rng, shape, waves=8)
    whole = np.minimum(whole, head.brain_mm + 1)
    core_radius = radius * rng.uniform(*CORE)
    core = core_radius - distance + 0.16 * core_radius * smooth_field(rng, shape, waves=9)
    core = np.minimum(core, whole - 2)
    if rng.random() < WITHOUT_ENHANCEMENT:
        return {"ED": whole, "NCR": core}
    necrotic_radius = core_radius * rng.uniform(*NECROTIC)
    bumps = 0.2 * core_radius * smooth_field(rng, shape, waves=10)
    necrotic = np.minimum(necrotic_radius - distance + bumps, core - RIM_MM)
    return {"ED": whole, "ET": core, "NCR": necrotic}


def _distance(rng: np.random.Generator, head: Anatomy, radius: float) -> np.ndarray:
    """Distance in millimetres from the centre of a lesion, of an ellipsoid turned at random."""
    inside = (head.brain_mm > max(DEEP_MM, 0.5 * radius)) & (np.abs(head.places_mm[2]) < LEVEL_MM)
    # Small volumes may have no cell so deep.
    options = np.flatnonzero(inside) if inside.any() else [int(head.brain_mm.argmax())]
    centre = head.places_mm.reshape(3, -1)[:, rng.choice(options)]
    stretch = rng.uniform(0.8, 1.25, size=3)
    form = rotation(rng.uniform(-np.pi, np.pi, size=3)) / np.cbrt(stretch.prod())
    turned = np.tensordot(form * stretch[:, None], head.places_mm - centre[:, None, None, None], 1)
    return np.sqrt(np.square(turned).sum(axis=0)).astype(np.float32)
