"""The base of all datamodules: batch sizes, seeding and the four loaders."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple, TypedDict

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from vision.data.check.problems import (
    Progress,
    SplitSummary,
    find_problems,
    made_datasets,
    setup_problems,
    summarise,
)
from vision.data.check.same_images import ImageSource
from vision.data.loading.collate import BatchOfSamples
from vision.data.loading.loader import Loader
from vision.data.loading.sampling import (
    CountedSamples,
    EpochSampler,
    EvaluationSampler,
    SeededSamples,
)
from vision.errors import ConfigError
from vision.keywords import FullSignature
from vision.options import MAX_BATCH, MAX_PROCESSES, MAX_SEED, check_number
from vision.workers import default_workers, start_worker


class Loading(TypedDict, total=False):
    """Keywords that every datamodule passes on to `DataModule`."""

    num_workers: int | None
    seed: int


class DataModule(LightningDataModule, ABC):
    """Batch sizes, seeding and loaders for datasets of images, volumes, points or anything else.

    A subclass makes its datasets in `setup`; they return one sample for an index and know nothing
    of models, batches or seeds. Training order and augmentation depend only on `(seed, epoch,
    index)` (see `vision.data.loading.sampling`). A checkpoint holds the place within the epoch,
    and a resumed fit continues from it. Datasets of images derive from
    `vision.data.base.images.ImageData`, datasets with classes also from
    `vision.data.base.classes.ClassData`.

    Args:
        batch_size: Samples per batch and device.
        num_workers: Processes that read data for each training process; 0 reads in that process,
            None chooses one less than the CPU cores, at most 8.
        seed: Seed of the order of the samples, of their augmentation and, where a dataset is split
            at random, of the split.

    Attributes:
        kind: Name of the task that the samples are for, such as `"classification"`; None for any.
        unit: What a sample is called, in the plural.
        sizes: Options of a sample's size, which decides how much memory a step needs.
        train_dataset: Augmented samples; None before `setup("fit")`, and so on for the others.
        val_dataset: Samples of the validation set.
        test_dataset: Samples of the test set.
        predict_dataset: Samples with a `path` in place of targets.
        collate: Makes a batch from a list of samples.
        repeats: Draws of each sample within an epoch (repeated augmentation).
        whole_steps: Whether an epoch ends with its last whole optimiser step: the batches after it,
            too few for gradient accumulation, are left out. Otherwise they make a step of their
            own, from fewer batches.

    Raises:
        ConfigError: `batch_size` is below 1, or `num_workers` is negative.
    """

    __signature__ = FullSignature()
    kind: ClassVar[str | None] = None
    unit: ClassVar[str] = "samples"
    sizes: ClassVar[str] = "--data.image_size"
    collate: Callable[[Any], Any] = staticmethod(default_collate)

    def __init__(
        self,
        *,
        batch_size: int = 32,
        num_workers: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_number("batch_size", batch_size, minimum=1, maximum=MAX_BATCH, unit=self.unit)
        if num_workers is not None:
            check_number(
                "num_workers", num_workers, minimum=0, maximum=MAX_PROCESSES, unit="processes"
            )
        check_number("seed", seed, minimum=0, maximum=MAX_SEED)
        self.batch_size = batch_size
        self.num_workers = default_workers() if num_workers is None else num_workers
        self.seed = seed
        self.train_dataset: Dataset[Any] | None = None
        self.val_dataset: Dataset[Any] | None = None
        self.test_dataset: Dataset[Any] | None = None
        self.predict_dataset: Dataset[Any] | None = None
        self.repeats = 1
        self.whole_steps = False
        self._resumed = Place()

    @abstractmethod
    def setup(self, stage: str) -> None:
        """Make the datasets of a stage: `"fit"`, `"validate"`, `"test"` or `"predict"`.

        Raises:
            DataError: The files are absent or not in the expected layout.
        """

    @property
    def preprocessing(self) -> dict[str, Any] | None:
        """Options of `eval_transform`, plain values; None where there is none.

        Checkpoints hold them, so that a trained model is used with the preprocessing of its
        evaluation.
        """
        return getattr(getattr(self, "eval_transform", None), "options", None)

    @property
    def train_size(self) -> int:
        """Number of training samples; known after `setup("fit")`."""
        return len(_made(self.train_dataset, "fit"))  # type: ignore[arg-type]

    def train_dataloader(self) -> DataLoader[Any]:
        """Augmented batches, shuffled differently in each epoch.

        The incomplete last batch is left out, unless it is the only one.

        Raises:
            ConfigError: A fit that is resumed within an epoch has batches of another size, or an
                epoch has no whole optimiser step.
        """
        dataset = _made(self.train_dataset, "fit")
        sampler = self.train_sampler(dataset, *self._processes)
        place = self._resumed
        if place.samples and place.batch != self._global_batch:
            raise ConfigError(
                f"the checkpoint was written within an epoch, at {place.batch} {self.unit} per "
                f"batch over all processes; this run has {self._global_batch}. Resume with the "
                "same number: set data.batch_size to it divided by the number of processes."
            )
        if self.whole_steps:
            sampler.shorten(self._samples_of_whole_steps(len(sampler)))
        sampler.resume(place.epoch, place.samples // sampler.num_replicas)
        return self._loader(
            self.train_samples(dataset),
            sampler,
            drop_last=len(sampler) > self.batch_size,
            every_epoch=True,
        )

    def train_samples(self, dataset: Dataset[Any]) -> SeededSamples:
        """The training samples by the keys of the sampler."""
        return SeededSamples(self.readable(dataset), seed=self.seed)

    def _samples_of_whole_steps(self, samples: int) -> int:
        together = 1 if self.trainer is None else self.trainer.accumulate_grad_batches
        batches = samples // self.batch_size
        if together == 1:
            return samples
        if batches < together:
            raise ConfigError(
                f"an epoch has {batches} batches of {self.batch_size} {self.unit}, fewer than "
                f"the {together} that trainer.accumulate_grad_batches puts into an optimiser step, "
                "and with --drop_incomplete_step true it would have no step at all. Take fewer, or "
                "leave that option out."
            )
        return batches // together * together * self.batch_size

    def train_sampler(self, dataset: Dataset[Any], rank: int, count: int) -> EpochSampler:
        """The order of training samples for one of `count` processes."""
        return EpochSampler(dataset, seed=self.seed, rank=rank, count=count, repeats=self.repeats)

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the validation set, in order."""
        return self._counted(_made(self.val_dataset, "validate"), every_epoch=True)

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test set, in order."""
        return self._counted(_made(self.test_dataset, "test"))

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of samples without targets, in order."""
        return self._counted(_made(self.predict_dataset, "predict"))

    def state_dict(self) -> dict[str, Any]:
        """The place of training within its epoch: part of a checkpoint."""
        epoch, batches = _progress(self.trainer)
        return {
            "epoch": epoch,
            "samples": batches * self._global_batch,
            "batch": self._global_batch,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the place in a checkpoint."""
        self._resumed = Place(*(state_dict[key] for key in ("epoch", "samples", "batch")))

    def problems(
        self, progress: Progress | None = None, remarks: list[str] | None = None
    ) -> Iterator[str]:
        """All problems of the dataset: layout, annotations, and every sample.

        Each sample is read once, by `num_workers` processes. `vision check-dataset` prints it.

        Args:
            progress: Called with the number of samples read and their total.
            remarks: Collects remarks that are not problems, while the samples are read.

        Yields:
            A message for each problem, which names the file.

        Raises:
            ConfigError: An option is wrong.
        """
        return find_problems(self, progress, remarks)

    def summary(self) -> dict[str, SplitSummary]:
        """Numbers of samples, of each class and of objects in the splits that are set up."""
        return summarise(self)

    def layout_problems(self) -> Iterator[str]:
        """Set up every stage, and yield the problems of those that fail.

        A subclass whose `setup` stops at the first of many problems lists them all here.
        """
        return setup_problems(self)

    def class_problems(self) -> Iterator[str]:
        """Problems of the classes, where there are any."""
        return iter(())

    def annotation_problems(self) -> Iterator[str]:
        """Problems of labels, boxes and masks that `setup` does not find."""
        return iter(())

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """Datasets that together read each sample once; the samples are not used."""
        yield from made_datasets(self).values()

    def image_sources(self) -> Iterator[ImageSource]:
        """The image files of each split with their classes, to find duplicates."""
        return iter(())

    @property
    def _processes(self) -> tuple[int, int]:
        """Number of this process, and of all."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size

    @property
    def _global_batch(self) -> int:
        return self.batch_size * self._processes[1]

    def readable(self, dataset: Dataset[Any]) -> Dataset[Any]:
        """Wrap a dataset for the loaders; by default it is returned as it is."""
        return dataset

    def _counted(self, dataset: Dataset[Any], *, every_epoch: bool = False) -> DataLoader[Any]:
        rank, count = self._processes
        sampler = EvaluationSampler(dataset, batch_size=self.batch_size, rank=rank, count=count)
        counted = CountedSamples(self.readable(dataset))
        return self._loader(counted, sampler, every_epoch=every_epoch)

    def _loader(
        self,
        dataset: Dataset[Any],
        sampler: Sampler[Any],
        *,
        drop_last: bool = False,
        every_epoch: bool = False,
    ) -> DataLoader[Any]:
        return Loader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=drop_last,
            num_workers=self.num_workers,
            collate_fn=BatchOfSamples(self.collate),
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=start_worker,
            # Starting workers again in each epoch costs seconds.
            persistent_workers=every_epoch and self.num_workers > 0,
        )


class Place(NamedTuple):
    """A place in a training.

    Attributes:
        epoch: The epoch, from 0.
        samples: Samples of it that all processes together have seen.
        batch: Samples per batch over all processes.
    """

    epoch: int = 0
    samples: int = 0
    batch: int = 0


def _progress(trainer: Trainer | None) -> tuple[int, int]:
    """The epoch with which a checkpoint written now continues, and its finished batches."""
    if trainer is None:
        return 0, 0
    # Lightning declares their type as a base class without `processed`.
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    if epochs.processed == epochs.ready:  # between two epochs
        return epochs.processed, 0
    return epochs.processed, batches.processed


def _made(dataset: Dataset[Any] | None, stage: str) -> Dataset[Any]:
    if dataset is None:
        raise ConfigError(f"the data are not set up: call setup({stage!r}) first.")
    return dataset
