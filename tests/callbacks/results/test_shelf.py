"""The maps of an evaluation that are held: few, and all that are drawn."""

import math
from functools import partial

import numpy as np
import pytest

from vision.callbacks.results.examples import Scored, choose_images
from vision.callbacks.results.shelf import Shelf


def scored(ious: list[float]) -> list[Scored]:
    return [Scored(place, iou, 2, f"{place}.png") for place, iou in enumerate(ious)]


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("digits", [0, 1, 3])  # with few there are many equal scores
def test_few_masks_are_held_and_all_that_are_drawn(processes: int, digits: int) -> None:
    ious = (0.5 * np.random.default_rng(0).random(60)).round(digits).tolist()
    ious[7] = math.nan
    shelves = [Shelf(2) for _ in range(processes)]
    for image in scored(ious):
        mask = partial(np.full, (2, 3), image.place, dtype=np.uint8)
        shelves[image.place % processes].add(image, mask)
    assert all(len(shelf.arrays) <= 5 * 2 for shelf in shelves)
    found = [image for shelf in shelves for image in shelf.scored]
    assert len(found) == 59
    chosen = choose_images(found, 2)
    assert chosen == choose_images([image for image in scored(ious) if image.place != 7], 2)
    held = {place: mask for shelf in shelves for place, mask in shelf.arrays.items()}
    for image in (image for kind in chosen.values() for image in kind):
        assert held[image.place].dtype == np.uint8
        assert (held[image.place] == image.place).all()
