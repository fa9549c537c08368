"""The balanced sampler: frequencies, seeds, processes, resuming."""

from collections import Counter

import numpy as np
import torch
from torch.utils.data import TensorDataset

from vision.data.loading.balanced_sampling import BalancedSampler

LABELS = np.array([0] * 20 + [2] * 3 + [5] * 2)


def make(*, seed: int = 0, rank: int = 0, count: int = 1, epoch: int = 0) -> BalancedSampler:
    dataset = TensorDataset(torch.arange(len(LABELS)))
    sampler = BalancedSampler(dataset, labels=LABELS, seed=seed, rank=rank, count=count)
    sampler.set_epoch(epoch)
    return sampler


def test_classes_are_equally_frequent_and_keys_differ() -> None:
    keys = list(make())
    assert len(keys) == len(make()) == len(LABELS)
    counts = Counter(LABELS[index] for _, index, _ in keys)
    assert sorted(counts.values()) == [8, 8, 9]
    assert len(set(keys)) == len(keys)
    # Each image of a rare class comes as often as the others of it, once more or less.
    rare = Counter(index for _, index, _ in keys if LABELS[index] == 2)
    assert max(rare.values()) - min(rare.values()) <= 1
    common = [index for _, index, _ in keys if LABELS[index] == 0]
    assert len(set(common)) == len(common)


def test_order_depends_on_seed_and_epoch() -> None:
    assert list(make()) == list(make())
    assert {index for _, index, _ in make()} != {index for _, index, _ in make(epoch=1)}
    assert [key[1:] for key in make()] != [key[1:] for key in make(seed=1)]


def test_processes_share_what_one_would_see() -> None:
    alone = list(make())
    shares = [list(make(rank=rank, count=2)) for rank in range(2)]
    together = [key for pair in zip(*shares, strict=True) for key in pair]
    assert together[: len(alone)][:24] != alone  # 26 are drawn for two processes, 25 for one
    assert len(set(together)) == len(together)
    counts = Counter(LABELS[index] for _, index, _ in together)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_resumed_epoch_goes_on() -> None:
    whole, resumed = make(epoch=3), make()
    resumed.resume(3, skipped=10)
    assert list(resumed) == list(whole)[10:]
