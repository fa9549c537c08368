"""Which images of an evaluation are shown as examples: the best, the worst and random ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Scored(NamedTuple):
    """An evaluated image.

    Attributes:
        place: Index in the dataset.
        score: Higher is better: a share in [0, 1], or an error times -1.
        objects: Number of things that there are to find in it; an image without any is neither
            among the best nor among the worst as long as others have some.
        name: Name of its file.
    """

    place: int
    score: float
    objects: int
    name: str = ""


def choose_images(scored: Sequence[Scored], count: int) -> dict[str, list[Scored]]:
    """Choose the best, the worst and random images; none comes twice.

    Args:
        scored: All images.
        count: Number of images of each kind, fewer for small sets.

    Returns:
        By kind: `"best"` from the best down, `"worst"` from the worst up, and `"random"`.
    """
    ranked = [one for one in scored if one.objects] or list(scored)
    # A few images are divided among the kinds.
    best = sorted(ranked, key=best_first)[: min(count, -(-len(scored) // 3))]
    rest = sorted({*ranked} - {*best}, key=worst_first)
    worst = rest[: min(count, -(-(len(scored) - len(best)) // 2))]
    chosen = sorted({*scored} - {*best} - {*worst}, key=random_first)[:count]
    return {"best": best, "worst": worst, "random": chosen}


def best_first(image: Scored) -> tuple[bool, float, int, int]:
    """A sort key: images with objects first, then by score, by number of objects and by place."""
    return not image.objects, -image.score, -image.objects, image.place


def worst_first(image: Scored) -> tuple[bool, float, int, int]:
    """A sort key: images with objects first, from the lowest score up."""
    return not image.objects, image.score, -image.objects, image.place


def random_first(image: Scored) -> tuple[float, int]:
    """A sort key that depends only on the place, so that the same images come first every time."""
    return float(np.random.default_rng(image.place).random()), image.place
