"""A training sampler whose batches are all landscape or all portrait.

A batch is padded to its largest height and width: a landscape image beside a portrait one would be
padded to a square, which takes about 1.7 times the memory and work at 800 x 1333 pixels.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.data.loading.repeat_factors import StochasticRepeats
from vision.data.loading.sampling import EpochSampler, Key, occurrences
from vision.ops.seeds import mix


class AspectSampler(EpochSampler):
    """Yields the keys of a training set so that each batch over all processes has one orientation.

    The published detection recipes batch by orientation ("MMDetection: Open MMLab Detection Toolbox
    and Benchmark", 2019, arXiv 1906.07155, and Detectron before it). The images of each orientation
    are shuffled and cut into batches; the last one is filled up with repeats of other images of the
    same orientation, so that every batch is whole; then the batches are shuffled. The order depends
    only on `(seed, epoch)` and on batch size times processes, not on how the batches are
    distributed: sample i of every process together are what a single process would see as samples
    `i * count` to `(i + 1) * count - 1`.

    With repeat factors an image comes as often as its factor says, rounded at random in each epoch,
    and each time with a key of its own, so that it is augmented otherwise. All epochs have the
    average length: the draws of an epoch beyond it are left out at random.

    Args:
        dataset: The dataset; only its length is used.
        portrait: bool `(N,)`, whether each image is higher than wide.
        batch_size: Samples per batch of a process.
        seed: Seed of the run.
        rank: Number of this process.
        count: Number of processes.
        factors: float `(N,)`, at least 1: repeat factor of each image; None for 1.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        portrait: np.ndarray,
        batch_size: int,
        seed: int,
        rank: int = 0,
        count: int = 1,
        factors: np.ndarray | None = None,
    ) -> None:
        super().__init__(dataset, seed=mix("aspect", seed), rank=rank, count=count)
        flags = torch.from_numpy(np.array(portrait, dtype=bool))
        self.groups = [group for flag in (False, True) if len(group := _places(flags, flag))]
        self.batch = batch_size * count
        self.repeat_factors = None if factors is None else StochasticRepeats(factors)
        self._draws = torch.zeros(0, dtype=torch.int64)
        batches = sum(self._length(group) // self.batch for group in self.groups)
        # Replaces the length of the base class, which fills up the whole set only.
        self.total_size = batches * self.batch
        self.num_samples = batches * batch_size

    def order(self) -> Tensor:
        """Indices of this process in the current epoch, int64 `(num_samples,)`."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        batches = []
        factors = self.repeat_factors
        repeats = None if factors is None else factors.counts(generator)
        for group in self.groups:
            drawn = group if repeats is None else group.repeat_interleave(repeats[group])
            shuffled = drawn[torch.randperm(len(drawn), generator=generator)]
            length = self._length(group)
            filled = shuffled.repeat(math.ceil(length / len(drawn)))[:length]
            batches.append(filled.view(-1, self.batch))
        every = torch.cat(batches)
        every = every[torch.randperm(len(every), generator=generator)].flatten()
        if repeats is not None:
            self._draws = occurrences(every)[self.rank :: self.num_replicas]
        return every[self.rank :: self.num_replicas]

    def keys(self, indices: Tensor, start: int) -> Iterator[Key]:
        """The keys of an order, starting at a position; with repeat factors also the draw."""
        if self.repeat_factors is None:
            yield from super().keys(indices, start)
            return
        epoch, draws = self.epoch, self._draws
        for i in range(start, len(indices)):
            yield (epoch, int(indices[i]), int(draws[i]))

    def _length(self, group: Tensor) -> int:
        """Draws of a group in an epoch, whole batches."""
        length = len(group)
        if self.repeat_factors is not None:
            length = self.repeat_factors.length(group)
        return math.ceil(length / self.batch) * self.batch


def _places(flags: Tensor, flag: bool) -> Tensor:
    return (flags == flag).nonzero().squeeze(1)
