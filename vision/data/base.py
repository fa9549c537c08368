"""The base of all datamodules: sizes, seeding and the four loaders, written once."""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from vision.data.collate import collate_images
from vision.data.sampling import EpochSampler, SeededSamples
from vision.errors import ConfigError

MOST_WORKERS = 8


class DataModule(LightningDataModule, ABC):
    """Sizes, seeding and loaders for every dataset.

    A subclass names its classes and makes its datasets in `setup`; they return one sample for an
    index and know nothing of models, batches or seeds. Training order and augmentation are a
    function of `(seed, epoch, index)` alone (see `vision.data.sampling`).

    Args:
        batch_size: Images per batch and device.
        num_workers: Processes that read data for each training process, 0 to read in it; None
            chooses one less than the CPU cores, at most 8.
        seed: Seed of the order and of the augmentation.

    Attributes:
        train_dataset: Augmented samples; None before `setup("fit")`, and so on for the others.
        val_dataset: Samples of the validation set.
        test_dataset: Samples of the test set.
        predict_dataset: Samples with a `path` in place of targets.
        collate: Makes a batch of a list of samples.

    Raises:
        ConfigError: `batch_size` is below 1, or `num_workers` is negative.
    """

    collate: Callable[[Sequence[Any]], Any] = staticmethod(collate_images)

    def __init__(
        self, *, batch_size: int = 32, num_workers: int | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ConfigError(f"batch_size={batch_size} must be at least 1.")
        if num_workers is not None and num_workers < 0:
            raise ConfigError(f"num_workers={num_workers} must be 0 (no extra process) or more.")
        self.batch_size = batch_size
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.seed = seed
        self.train_dataset: Dataset[Any] | None = None
        self.val_dataset: Dataset[Any] | None = None
        self.test_dataset: Dataset[Any] | None = None
        self.predict_dataset: Dataset[Any] | None = None

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label; known before `setup` wherever that is cheap."""

    @abstractmethod
    def setup(self, stage: str) -> None:
        """Make the datasets of a stage: `"fit"`, `"validate"`, `"test"` or `"predict"`.

        Raises:
            DataError: The files are absent or not in the expected layout.
        """

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def train_size(self) -> int:
        """Number of training samples; known after `setup("fit")`."""
        return len(_made(self.train_dataset, "fit"))  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader[Any]:
        """Augmented batches in an order of their own in each epoch.

        The incomplete last batch is left out, unless it is the only one.
        """
        dataset = SeededSamples(_made(self.train_dataset, "fit"), seed=self.seed)
        rank, count = 0, 1
        if self.trainer is not None:
            rank, count = self.trainer.global_rank, self.trainer.world_size
        sampler = EpochSampler(dataset, seed=self.seed, rank=rank, count=count)
        return self._loader(dataset, sampler, every_epoch=True)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation set, in order."""
        return self._loader(_made(self.val_dataset, "validate"), every_epoch=True)

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test set, in order."""
        return self._loader(_made(self.test_dataset, "test"))

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of images with their paths, in order."""
        return self._loader(_made(self.predict_dataset, "predict"))

    def _loader(
        self,
        dataset: Dataset[Any],
        sampler: EpochSampler | None = None,
        *,
        every_epoch: bool = False,
    ) -> DataLoader[Any]:
        return DataLoader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=sampler is not None and len(sampler) > self.batch_size,
            num_workers=self.num_workers,
            collate_fn=self.collate,
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=start_worker,
            # Starting workers anew in each epoch costs seconds.
            persistent_workers=every_epoch and self.num_workers > 0,
        )


def start_worker(worker_id: int) -> None:
    """Keep a worker to one thread; the DataLoader sees to PyTorch's threads by itself.

    Nothing is seeded here: random numbers depend on the sample, not on the worker.
    """
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(0)


def default_workers() -> int:
    """One less than the CPU cores that this process may use, at most 8."""
    # Linux knows the share of a process: a container often owns few of the cores.
    owned = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return min(MOST_WORKERS, len(owned or range(os.cpu_count() or 1)) - 1)


def _made(dataset: Dataset[Any] | None, stage: str) -> Dataset[Any]:
    if dataset is None:
        raise ConfigError(f"the data are not there yet: call setup({stage!r}) first.")
    return dataset
