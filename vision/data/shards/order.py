"""A training sampler that reads few shards at a time.

With a global shuffle each process would read from every shard all the time. Here the shards are
shuffled in each epoch, each process gets a run of consecutive ones, and samples are shuffled among
a few neighbouring shards.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from vision.data.loading.sampling import EpochSampler, Key
from vision.ops.seeds import mix


class ShardOrder(EpochSampler):
    """Yields the keys of a training set in shards, shuffled differently in each epoch.

    The order of a process is a function of `(seed, epoch, rank, count)`. Together the processes
    have each sample once; if they cannot be divided evenly, a process that is one short repeats one
    of its own. With repeats R the repeats of an image come in a row in one process, and an epoch
    reads 1 / R of the shards.

    A shard's samples are spread evenly over the time in which `window` shards are read, and windows
    slide: one shard is finished and another one begun at a time.

    With `portrait` the images of a batch are all landscape or all portrait, as in `AspectSampler`,
    except a last batch of the rest of both. Here each process batches its own samples, in the order
    in which batches become full.

    Args:
        dataset: The dataset; only its length is used.
        counts: Number of samples of each shard that the dataset has.
        numbers: int64 `(N,)`, index in the dataset of each sample in the order of the shards; None
            where the dataset is in this order.
        portrait: bool `(N,)`, whether each image of the dataset is higher than wide; None does not
            group them.
        batch_size: Samples per batch, if they are grouped.
        window: Number of shards whose samples are mixed.
        seed: Seed of the run.
        rank: Number of this process.
        count: Number of processes.
        repeats: Repeats of each image.
        ahead: Called with the number of a shard before it is needed.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        counts: Sequence[int],
        numbers: np.ndarray | None = None,
        portrait: np.ndarray | None = None,
        batch_size: int = 1,
        window: int,
        seed: int,
        rank: int = 0,
        count: int = 1,
        repeats: int = 1,
        ahead: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(dataset, seed=seed, rank=rank, count=count, repeats=repeats)
        self.counts = torch.tensor(counts, dtype=torch.int64)
        self.numbers = None if numbers is None else torch.from_numpy(numbers)
        self.portrait = portrait
        self.batch_size = batch_size
        self.window = window
        self.ahead = ahead

    def order(self) -> Tensor:
        """Samples of this process in the current epoch, int64 `(num_samples,)`.

        They are numbered in the order of the shards; `keys` has their indices in the dataset.
        """
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        shards = torch.randperm(len(self.counts), generator=generator)
        run = self._run(shards)
        generator.manual_seed(mix("window", self.seed, self.epoch, self.rank))
        spread = self._spread(run[0], generator)
        chosen = run[1][spread.argsort(stable=True)].repeat_interleave(self.repeats)
        chosen = chosen.repeat(math.ceil(self.num_samples / len(chosen)))[: self.num_samples]
        return chosen if self.portrait is None else self._grouped(chosen, self.portrait)

    def repeat_of(self, position: int) -> int:
        """Number of the repeat of an image at a position: all are in one process."""
        return position % self.repeats

    def keys(self, samples: Tensor, start: int) -> Iterator[Key]:
        """The keys of an order; when a shard is begun, the next is passed to `ahead`."""
        soon = self._next_shards(samples[start:]) if self.ahead else {}
        for i, key in enumerate(super().keys(self._indices(samples), start)):
            if self.ahead and i in soon:
                self.ahead(soon[i])
            yield key

    def _indices(self, samples: Tensor) -> Tensor:
        """The indices in the dataset of some samples."""
        return samples if self.numbers is None else self.numbers[samples]

    def _grouped(self, samples: Tensor, portrait: np.ndarray) -> Tensor:
        """An order whose batches have one orientation each, in the order of their last samples."""
        flags = portrait[self._indices(samples).numpy()]
        full = np.full(len(samples), len(samples))  # when a sample's batch is full; never
        for flag in (False, True):
            places = np.flatnonzero(flags == flag)
            whole = len(places) // self.batch_size * self.batch_size
            batches = places[:whole].reshape(-1, self.batch_size)
            full[batches] = batches[:, -1:]
        # The rest of both comes last, the landscape images first.
        return samples[np.lexsort((flags, full))]

    def _next_shards(self, samples: Tensor) -> dict[int, int]:
        """Position where a shard is begun -> the shard that is begun after it."""
        shards = torch.searchsorted(self.counts.cumsum(0), samples, right=True)
        begun, positions = np.unique(shards.numpy(), return_index=True)
        by_time = positions.argsort()
        begun, positions = begun[by_time].tolist(), positions[by_time].tolist()
        return dict(zip(positions, begun[1:], strict=False))

    def _run(self, shards: Tensor) -> tuple[Tensor, Tensor]:
        """This process's samples in the order of the shards.

        Returns:
            For each sample the number of its shard within the run, and its index.
        """
        counts = self.counts[shards]
        ends = counts.cumsum(0)
        drawn = math.ceil(int(ends[-1]) / self.repeats)
        start = self.rank * drawn // self.num_replicas
        stop = max(start + 1, (self.rank + 1) * drawn // self.num_replicas)
        positions = torch.arange(start, stop)
        slots = torch.searchsorted(ends, positions, right=True)
        firsts = (self.counts.cumsum(0) - self.counts)[shards]
        return slots - slots[0], positions - (ends - counts)[slots] + firsts[slots]

    def _spread(self, slots: Tensor, generator: torch.Generator) -> Tensor:
        """A random time for each sample, in units of the time that one shard takes."""
        shards = int(slots[-1]) + 1
        window = min(self.window, shards)
        begin = (slots - window + 1).clamp(min=0)
        end = (slots + 1).clamp(max=shards - window + 1)
        draws = torch.rand(len(slots), generator=generator, dtype=torch.float64)
        return begin + (end - begin) * draws
