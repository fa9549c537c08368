"""A training sampler that shows images of each class equally often."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.data.loading.sampling import EpochSampler, Key, occurrences
from vision.ops.seeds import mix


class BalancedSampler(EpochSampler):
    """Yields the keys of a training set in which all classes are equally frequent.

    An epoch is as long as the set. The numbers of images of two classes differ by one at most; the
    images of a class come in a random order, again and again where there are few, and each time
    they have a key of their own, so that they are augmented otherwise. The order depends only on
    `(seed, epoch)`, not on how it is distributed over processes.

    Args:
        dataset: The dataset; only its length is used.
        labels: int64 `(N,)`, class of each image.
        seed: Seed of the run.
        rank: Number of this process.
        count: Number of processes.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        labels: np.ndarray,
        seed: int,
        rank: int = 0,
        count: int = 1,
    ) -> None:
        super().__init__(dataset, seed=mix("balanced", seed), rank=rank, count=count)
        order = torch.from_numpy(np.argsort(labels, kind="stable"))
        sizes = np.bincount(labels)
        self.members = torch.split(order, sizes[sizes > 0].tolist())
        self._draws = torch.zeros(0, dtype=torch.int64)

    def order(self) -> Tensor:
        """Indices of this process in the current epoch, int64 `(num_samples,)`."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        classes = len(self.members)
        counts = torch.full((classes,), self.total_size // classes)
        counts[torch.randperm(classes, generator=generator)[: self.total_size % classes]] += 1
        drawn = torch.cat(
            [
                _draw(members, count, generator)
                for members, count in zip(self.members, counts.tolist(), strict=True)
            ]
        )
        every = drawn[torch.randperm(len(drawn), generator=generator)]
        self._draws = occurrences(every)[self.rank :: self.num_replicas]
        return every[self.rank :: self.num_replicas]

    def keys(self, indices: Tensor, start: int) -> Iterator[Key]:
        """The keys of an order, starting at a position: epoch, index and number of the draw."""
        epoch, draws = self.epoch, self._draws
        for i in range(start, len(indices)):
            yield (epoch, int(indices[i]), int(draws[i]))


def _draw(members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the indices: as many whole random orders of all as are needed."""
    rounds = -(-count // len(members))
    orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
    return torch.cat([members[:0], *orders])[:count]
