"""A look at some samples of a split before the first step."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from vision.errors import ImageError

logger = logging.getLogger(__name__)


class Facts(Protocol):
    """What was found in some samples."""

    notes: list[Any]

    def check(self, split: str) -> None:
        """Raise an error if it cannot be right."""

    def describe(self) -> Iterable[str]:
        """Lines to log."""


def spread_places(count: int, looked_at: int) -> list[int]:
    """Places of at most `looked_at` of `count` samples, evenly spread, both ends among them."""
    spread = np.linspace(0, max(0, count - 1), looked_at if count else 0).round().astype(int)
    return [*dict.fromkeys(spread.tolist())]


def look_at(
    facts: Facts,
    places: Iterable[int],
    look: Callable[[int], Any],
    *,
    split: str,
    skip: bool,
) -> None:
    """Read samples, check what they hold, and log it.

    Args:
        facts: Collects what they hold.
        places: Places of the samples; an iterator may end by what the facts have by then.
        look: Reads the one at a place.
        split: Name of the split.
        skip: Whether unreadable ones are left out here, and the run decides whether it skips them.

    Raises:
        ImageError: A file is absent or broken, unless `skip`.
        DataError: What they hold cannot be right.
    """
    for place in places:
        try:
            facts.notes.append(look(place))
        except ImageError:
            if not skip:
                raise
    facts.check(split)
    for line in facts.describe():
        logger.info("%s: %s", split, line)
