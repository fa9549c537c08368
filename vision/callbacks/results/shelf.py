"""The images of an evaluation that may be shown, in bounded memory."""

import heapq
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vision.callbacks.results.examples import (
    Scored,
    best_first,
    choose_images,
    random_first,
    worst_first,
)
from vision.metrics.processes import gather_rows, gather_shares


class Shelf:
    """The scored images of one process in a validation, and the maps that may be drawn.

    Args:
        count: Number of images of each kind.

    Attributes:
        scored: All images.
        arrays: What was predicted for some images, by index: the best, the worst and the first in
            random order, enough to include every image that is chosen over all processes.
    """

    def __init__(self, count: int) -> None:
        self.scored: list[Scored] = []
        self.arrays: dict[int, Any] = {}
        self._count = count
        self._best: list[Scored] = []
        self._worst: list[Scored] = []
        self._random: list[Scored] = []

    def add(self, image: Scored, make: Callable[[], Any]) -> None:
        """Add an image, unless its score is NaN.

        Args:
            image: The image.
            make: Makes what is kept of its prediction; called only if it may be drawn.
        """
        if math.isnan(image.score):
            return
        self.scored.append(image)
        best = heapq.nsmallest(self._count, [*self._best, image], key=best_first)
        # Of equal images the best come first in both orders, and are not drawn twice.
        others = {*self._best, *self._worst, image} - {*best}
        self._worst = heapq.nsmallest(self._count, others, key=worst_first)
        self._best = best
        # Of the random ones, the best and the worst may be up to two thirds.
        self._random = heapq.nsmallest(3 * self._count, [*self._random, image], key=random_first)
        wanted = {one.place for one in (*self._best, *self._worst, *self._random)}
        if image.place in wanted:
            self.arrays[image.place] = make()
        for place in {*self.arrays} - wanted:
            del self.arrays[place]


class Examples(NamedTuple):
    """The images of all processes.

    Attributes:
        scored: All of them, by index in the dataset.
        chosen: The best, the worst and random ones of them.
        arrays: What was predicted for the chosen ones, by index.
    """

    scored: list[Scored]
    chosen: dict[str, list[Scored]]
    arrays: Mapping[int, Any]


def gather_examples(shelf: Shelf, count: int) -> Examples:
    """Gather the shelves of all processes, and choose; every process calls it.

    Args:
        shelf: That of this process, for `count` images of each kind.
        count: Number of images of each kind.
    """
    shares = gather_shares(shelf.scored)
    scored = {one.place: one for share in shares for one in share}
    ordered = [scored[place] for place in sorted(scored)]
    chosen = choose_images(ordered, count)
    places = {one.place for images in chosen.values() for one in images}
    held = {place: shelf.arrays[place] for place in places & {*shelf.arrays}}
    return Examples(ordered, chosen, gather_rows(held))
