"""Samplers and seeding: order and augmentation depend only on (seed, epoch, index).

The training sampler yields `(epoch, index)` keys; the dataset seeds PyTorch's generator from the
key around each sample. The epoch thus reaches every worker process with each requested sample, and
the number of workers, their lifetime and interruptions of the run do not change what the model
sees.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler

from vision.data.loading.bad_images import BAD
from vision.ops.seeds import mix

# Epoch, index, and with repeated augmentation the number of the repeat.
Key = tuple[int, ...]


class EpochSampler(DistributedSampler[Key]):
    """Yields the keys of a training set, shuffled differently in each epoch.

    It is a `DistributedSampler`, also for a single process, so that Lightning keeps it on several
    devices and sets its epoch. There each of `count` processes gets its own share,
    filled up with repeated samples to equal lengths: sample i of every process together are what a
    single process would see as samples `i * count` to `(i + 1) * count - 1`.

    With `repeats` R (repeated augmentation: "MultiGrain", 2019, section 3.2) each image of an epoch
    is sampled R times in a row, each time with a key of its own, and an epoch of unchanged length
    has 1 / R of the images. On R devices or more, repeats of an image go to different devices.

    Args:
        dataset: The dataset; only its length is used.
        seed: Seed of the run.
        rank: Number of this process.
        count: Number of processes.
        repeats: Repeats of each image.
    """

    def __init__(
        self, dataset: Dataset[Any], *, seed: int, rank: int = 0, count: int = 1, repeats: int = 1
    ) -> None:
        # The base class shuffles by seed + epoch: with a plain seed, epoch 1 of seed 0 would be
        # epoch 0 of seed 1.
        super().__init__(dataset, num_replicas=count, rank=rank, seed=mix("order", seed) >> 1)
        self.repeats = repeats
        self._resumed_epoch, self._skipped = 0, 0
        self._max_samples: int | None = None

    def shorten(self, samples: int) -> None:
        """End each epoch after a number of samples of this process.

        Args:
            samples: Number of samples, at most as many as there are.
        """
        self._max_samples = samples

    def __len__(self) -> int:
        return super().__len__() if self._max_samples is None else self._max_samples

    def resume(self, epoch: int, skipped: int) -> None:
        """Continue within an epoch, without its first samples.

        Args:
            epoch: The epoch.
            skipped: Number of samples of this process to skip, only in this epoch.
        """
        self.set_epoch(epoch)
        self._resumed_epoch, self._skipped = epoch, skipped

    def order(self) -> Tensor:
        """Indices of this process in the current epoch, int64 `(num_samples,)`."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        length = len(self.dataset)  # type: ignore[arg-type]
        indices = torch.randperm(length, generator=generator)
        indices = indices[: math.ceil(length / self.repeats)].repeat_interleave(self.repeats)
        indices = indices.repeat(math.ceil(self.total_size / len(indices)))[: self.total_size]
        return indices[self.rank :: self.num_replicas]

    def repeat_of(self, position: int) -> int:
        """Number of the repeat of an image at a position of this process's order."""
        return (position * self.num_replicas + self.rank) % self.repeats

    def __iter__(self) -> Iterator[Key]:
        start = self._skipped if self.epoch == self._resumed_epoch else 0
        yield from self.keys(self.order()[: len(self)], start)

    def keys(self, indices: Tensor, start: int) -> Iterator[Key]:
        """The keys of an order, starting at a position."""
        epoch = self.epoch
        for i in range(start, len(indices)):
            repeat = [self.repeat_of(i)] if self.repeats > 1 else []
            yield (epoch, int(indices[i]), *repeat)


class EvaluationSampler(DistributedSampler[int]):
    """Yields each index of an evaluation set once over all processes, in order.

    Each of `count` processes gets every `count`-th index; the shares differ in length by at most
    one. Collective operations need equally many batches on each: a process with one batch less gets
    an index for it in the form `~index`, whose sample must not be counted (see `CountedSamples`).

    Args:
        dataset: The dataset; only its length is used.
        batch_size: Samples per batch of a process.
        rank: Number of this process.
        count: Number of processes.
    """

    def __init__(
        self, dataset: Dataset[Any], *, batch_size: int, rank: int = 0, count: int = 1
    ) -> None:
        super().__init__(dataset, num_replicas=count, rank=rank, shuffle=False)
        length = len(dataset)  # type: ignore[arg-type]
        self.share = range(rank, length, count)
        longest = math.ceil(length / count)
        batches, maximum = (math.ceil(n / batch_size) for n in (len(self.share), longest))
        self._extra = [~(rank % length)] if batches < maximum else []

    def __iter__(self) -> Iterator[int]:
        yield from self.share
        yield from self._extra

    def __len__(self) -> int:
        return len(self.share) + len(self._extra)


class SeededSamples(Dataset[Any]):
    """A dataset whose augmentation depends only on `(seed, epoch, index)`.

    PyTorch's global CPU generator, which torchvision's transforms use, is seeded for each sample;
    its state is restored afterwards.

    Args:
        dataset: Makes a sample from an index, with random numbers only from PyTorch.
        seed: Seed of the run.
        later: An epoch, and the dataset of the same length that samples are taken from since then.
            It is chosen by the key, so that workers that outlive an epoch change with it. None
            for one dataset in all epochs.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        seed: int,
        later: tuple[int, Dataset[Any]] | None = None,
    ) -> None:
        self.dataset = dataset
        self.seed = seed
        self.later = later

    def __getitem__(self, key: Key | int) -> Any:
        """The sample of a key of `EpochSampler`, with its `index`; a plain index means epoch 0.

        Lightning's `overfit_batches` asks for plain indices: the same samples every time.
        """
        key = key if isinstance(key, tuple) else (0, key)
        # Not torch.manual_seed, which would seed the GPUs' generators as well.
        generator = torch.default_generator
        state = generator.get_state()
        generator.manual_seed(mix("sample", self.seed, *key))
        try:
            return with_keys(self._dataset_of(key[0])[key[1]], index=key[1])
        finally:
            generator.set_state(state)

    def _dataset_of(self, epoch: int) -> Dataset[Any]:
        return self.dataset if self.later is None or epoch < self.later[0] else self.later[1]

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]


class CountedSamples(Dataset[Any]):
    """A dataset read through the indices of `EvaluationSampler`.

    Args:
        dataset: Makes a sample from an index.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __getitem__(self, index: int) -> Any:
        """The sample of an index, with its `index`, and `repeated` if it must not be counted."""
        own = index if index >= 0 else ~index
        sample = with_keys(self.dataset[own], index=own)
        replaces_another = isinstance(sample, dict) and BAD in sample
        return with_keys(sample, repeated=True) if index < 0 or replaces_another else sample

    def __len__(self) -> int:
        return len(self.dataset)  # type: ignore[arg-type]


def with_keys(sample: Any, **keys: Any) -> Any:
    """Add keys to a sample if it is a dict; anything else is returned unchanged."""
    return {**sample, **keys} if isinstance(sample, dict) else sample


def occurrences(indices: Tensor) -> Tensor:
    """How often each index has come before, int64 `(N,)`."""
    order = indices.argsort(stable=True)
    ordered = indices[order]
    starts = torch.searchsorted(ordered, ordered)
    found = torch.empty_like(indices)
    found[order] = torch.arange(len(indices)) - starts
    return found
