"""Order and augmentation as a function of (seed, epoch, index) alone.

The sampler yields `(epoch, index)` keys; the dataset seeds PyTorch's generator from the key around
each sample. The epoch thus reaches every worker process with the sample that is asked for, and
neither the number of workers, nor their lifetime, nor the place where a run was interrupted changes
what the model sees.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import Dataset, DistributedSampler

Key = tuple[int, int]


class EpochSampler(DistributedSampler[Key]):
    """Yields the `(epoch, index)` keys of a training set, shuffled afresh in each epoch.

    It is a `DistributedSampler`, also for a single process, so that Lightning leaves it in place on
    several devices and gives it the epoch. There each of `count` processes gets its own share,
    filled up with repeated samples to equal lengths.

    Args:
        dataset: The dataset; only its length is used.
        seed: Seed of the run.
        rank: Number of this process.
        count: Number of processes.
    """

    def __init__(self, dataset: Dataset[Any], *, seed: int, rank: int = 0, count: int = 1) -> None:
        # The base class shuffles by seed + epoch: with a plain seed, epoch 1 of seed 0 would repeat
        # as epoch 0 of seed 1.
        super().__init__(dataset, num_replicas=count, rank=rank, seed=mix("order", seed) >> 1)

    def __iter__(self) -> Iterator[Key]:
        return ((self.epoch, int(index)) for index in super().__iter__())  # type: ignore[call-overload]


class SeededSamples(Dataset[Any]):
    """A dataset whose augmentation depends on nothing but `(seed, epoch, index)`.

    Each sample is made with PyTorch's global CPU generator, from which torchvision's transforms
    draw, seeded for it; the generator's state is restored afterwards.

    Args:
        dataset: Makes a sample from an index, drawing random numbers from PyTorch alone.
        seed: Seed of the run.
    """

    def __init__(self, dataset: Dataset[Any], *, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def __getitem__(self, key: Key | int) -> Any:
        """The sample of an `(epoch, index)` key; a plain index means epoch 0.

        Lightning's `overfit_batches` asks for plain indices: the same samples every time.
        """
        epoch, index = key if isinstance(key, tuple) else (0, key)
        # Not torch.manual_seed, which would seed the GPUs' generators as well.
        generator = torch.default_generator
        state = generator.get_state()
        generator.manual_seed(mix("sample", self.seed, epoch, index))
        try:
            return self.dataset[index]
        finally:
            generator.set_state(state)

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]


def mix(*parts: object) -> int:
    """A 64-bit number that depends on all parts, equal in every process and on every machine."""
    text = "/".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
