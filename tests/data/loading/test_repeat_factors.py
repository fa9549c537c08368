"""Repeat factors worked by hand, their average over epochs, and the sampler that uses them."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from vision.data.loading.aspect_sampling import AspectSampler
from vision.data.loading.repeat_factors import StochasticRepeats, count_images, repeat_factors

# Images of classes {0}, {0, 1}, {} and {0, 1 twice}, {2, a crowd of 3}: 5 images, 4 classes.
STARTS = np.array([0, 1, 3, 3, 6, 8])
LABELS = np.array([0, 0, 1, 1, 0, 1, 2, 3])
CROWD = np.array([False] * 7 + [True])
# Landscape images have 6 draws in all, portrait ones 8.
FACTORS = np.array([1.5, 2.25, 1.0, 3.75, 1.0, 1.0, 2.5, 1.0])
PORTRAIT = np.array([False, True] * 4)


def samplers(batch_size: int, count: int, *, seed: int = 0, epoch: int = 0) -> list[AspectSampler]:
    made = [
        AspectSampler(
            FACTORS,  # of the dataset only the length is used
            portrait=PORTRAIT,
            batch_size=batch_size,
            seed=seed,
            rank=rank,
            count=count,
            factors=FACTORS,
        )
        for rank in range(count)
    ]
    for sampler in made:
        sampler.set_epoch(epoch)
    return made


def together(made: list[AspectSampler]) -> list[tuple[int, ...]]:
    shares = [list(sampler) for sampler in made]
    assert [len(share) for share in shares] == [len(sampler) for sampler in made]
    return [key for keys in zip(*shares, strict=True) for key in keys]


def test_factors_are_those_worked_by_hand() -> None:
    counts = count_images(STARTS, LABELS, CROWD, 4)
    assert counts.tolist() == [3, 2, 1, 0]
    # Shares 0.6, 0.4, 0.2 against 0.5: factors 1, sqrt(5/4), sqrt(5/2).
    found = repeat_factors(STARTS, LABELS, CROWD, 4, threshold=0.5)
    second, third = math.sqrt(5 / 4), math.sqrt(5 / 2)
    np.testing.assert_allclose(found, [1, second, 1, second, third], rtol=1e-15)
    # No class is as rare as the threshold of LVIS says.
    assert repeat_factors(STARTS, LABELS, CROWD, 4, threshold=0.001).tolist() == [1] * 5


def test_repeats_are_the_neighbouring_whole_numbers_and_the_factors_on_average() -> None:
    repeats = StochasticRepeats(FACTORS)
    counts = torch.stack(
        [repeats.counts(torch.Generator().manual_seed(epoch)) for epoch in range(2000)]
    ).double()
    assert (counts >= torch.from_numpy(np.floor(FACTORS))).all()
    assert (counts <= torch.from_numpy(np.ceil(FACTORS))).all()
    # Five standard deviations of a mean of 2,000 draws.
    np.testing.assert_allclose(counts.mean(dim=0), FACTORS, atol=5 * 0.5 / math.sqrt(2000))


def test_an_epoch_of_whole_batches_has_the_average_length_and_one_orientation_each() -> None:
    for epoch in range(20):
        keys = together(samplers(2, 1, epoch=epoch))
        assert len(keys) == 6 + 8
        assert len(set(keys)) == len(keys)
        flags = PORTRAIT[[index for _, index, _ in keys]].reshape(-1, 2)
        assert (flags[:, 0] == flags[:, 1]).all()


def test_images_come_as_often_as_their_factors_on_average() -> None:
    seen: Counter[int] = Counter()
    for epoch in range(600):
        seen.update(index for _, index, _ in together(samplers(2, 1, epoch=epoch)))
    found = np.array([seen[i] for i in range(8)]) / 600
    assert found.sum() == pytest.approx(14)
    # An epoch that draws more or less than the average is cut or filled up, which in so small a set
    # takes a little from the images whose repeats vary.
    np.testing.assert_allclose(found, FACTORS, rtol=0.08)


def test_the_order_is_a_function_of_seed_and_epoch_that_processes_share() -> None:
    one = together(samplers(4, 1, epoch=3))
    torch.manual_seed(7)
    assert together(samplers(4, 1, epoch=3)) == one
    for count in (2, 4):
        assert together(samplers(4 // count, count, epoch=3)) == one
    assert [key[1:] for key in together(samplers(4, 1, epoch=4))] != [key[1:] for key in one]
    assert together(samplers(4, 1, seed=1, epoch=3)) != one


@pytest.mark.parametrize("skipped", [1, 6])
def test_a_resumed_epoch_goes_on_with_the_same_keys(skipped: int) -> None:
    whole = [list(sampler) for sampler in samplers(2, 2, epoch=5)]
    resumed = samplers(2, 2)
    for sampler in resumed:
        sampler.resume(5, skipped)
    assert [list(sampler) for sampler in resumed] == [keys[skipped:] for keys in whole]
