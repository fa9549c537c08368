import math

import numpy as np
import pytest
import torch
from helpers.random_volumes import random_masks
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

from vision.metrics.volumes.distances import (
    BRATS_WORST_MM,
    region_distances,
    surface_distances,
)


@pytest.mark.parametrize("seed", range(4))
def test_the_distances_are_monais(seed: int) -> None:
    found, truth = random_masks(seed)
    spacing = tuple(np.random.default_rng(seed).uniform(0.4, 3, 3).tolist())
    measured = [surface_distances(*pair, spacing) for pair in zip(found, truth, strict=True)]
    masks = torch.from_numpy(found)[None], torch.from_numpy(truth)[None]
    options = {"include_background": True, "spacing": spacing}
    for percentile in (95, 50, 100):
        expected = compute_hausdorff_distance(*masks, percentile=percentile, **options)
        assert [one.hausdorff(percentile) for one in measured] == pytest.approx(
            expected[0].tolist(), rel=1e-6
        )
    for symmetric in (True, False):
        expected = compute_average_surface_distance(*masks, symmetric=symmetric, **options)
        assert [one.average(symmetric=symmetric) for one in measured] == pytest.approx(
            expected[0].tolist(), rel=1e-6
        )


def test_two_cells_are_as_far_as_their_centres() -> None:
    found, truth = np.zeros((2, 5, 6, 7), dtype=bool)
    found[1, 1, 1] = truth[4, 1, 5] = True
    distances = region_distances(found, truth, (1, 9, 2))
    assert distances.hd95 == distances.asd == math.hypot(3 * 1, 4 * 2)


def test_the_place_in_the_volume_does_not_matter() -> None:
    found, truth = np.zeros((2, 12, 12, 12), dtype=bool)
    found[0:5, 0:5, 0:5], truth[1:6, 0:5, 2:7] = True, True
    moved = [np.roll(mask, (5, 6, 4), (0, 1, 2)) for mask in (found, truth)]
    assert region_distances(*moved, (1, 1, 1.5)) == region_distances(found, truth, (1, 1, 1.5))


def test_an_empty_mask_is_left_out_or_scored() -> None:
    nothing, something = np.zeros((4, 4, 4), dtype=bool), np.ones((4, 4, 4), dtype=bool)
    for pair in ((nothing, nothing), (nothing, something), (something, nothing)):
        assert np.isnan(region_distances(*pair, (1, 1, 1))).all()
    assert region_distances(nothing, nothing, (1, 1, 1), "brats") == (0, 0)
    assert round(math.hypot(240, 240, 155), 2) == BRATS_WORST_MM
    for pair in ((nothing, something), (something, nothing)):
        assert region_distances(*pair, (1, 1, 1), "brats") == (BRATS_WORST_MM, BRATS_WORST_MM)
