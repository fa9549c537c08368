"""The base of the datamodules of tar shards: indices, the cache, the order of training."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
from torch.utils.data import Dataset

from vision.data.base.images import ImageData
from vision.data.check.same_images import ImageSource
from vision.data.loading.sampling import EpochSampler
from vision.data.shards.ahead import FetchAhead
from vision.data.shards.cache import ShardCache, user_cache
from vision.data.shards.forms import find_form
from vision.data.shards.index import ShardIndex, has_index, read_index
from vision.data.shards.order import ShardOrder
from vision.data.shards.reader import ShardReader
from vision.data.shards.remote import as_folder, is_remote, public
from vision.errors import ConfigError, DataError
from vision.options import check_number
from vision.program import command

SPLITS = ("train", "val", "test")


class ShardOptions(TypedDict, total=False):
    """Keywords that datasets in shards pass on to `ShardedData`."""

    cache_dir: str | os.PathLike[str] | None
    cache_bytes: float
    window: int


class Arrangement(NamedTuple):
    """The layout of a dataset's samples in shards, and their grouping.

    Attributes:
        counts: Number of samples of each shard that the dataset has.
        numbers: As in `ShardOrder`.
        portrait: As in `ShardOrder`.
    """

    counts: list[int]
    numbers: np.ndarray | None = None
    portrait: np.ndarray | None = None


class ShardedData(ImageData):
    """A dataset in tar shards of the WebDataset layout, with an index.

    `root` has the folders `train`, `val` and optionally `test`, each with `*.tar`, `index.json` and
    `index.npy`. Local shards are read in place. Remote ones are copied to a cache when needed; a
    process needs `window` of them at a time, and one more is prefetched.

    A subclass names it before the base of its kind of task. The order of training is a function of
    `(seed, epoch)` and the number of processes.

    Args:
        root: The dataset's folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        cache_dir: Folder for copies of remote shards; None is `vision/shards` in the user's cache
            folder.
        cache_bytes: Bytes that the cache may hold; the shards used longest ago go first.
        window: Shards whose samples are mixed, for each process.
        **options: Keywords of the base of the kind of task.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes: float = 100e9,
        window: int = 8,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_number("window", window, minimum=1, unit="shards")
        self.root = as_folder(root)
        folder = user_cache() if cache_dir is None else Path(cache_dir).expanduser()
        cache = ShardCache(folder, limit=int(cache_bytes))
        self.cache = cache if is_remote(self.root) else None
        self.window = window
        self._shards: dict[str, ShardIndex] = {}
        self._resumed_order: dict[str, Any] = {}

    @property
    def test_split(self) -> Any:
        """`"test"` if it has shards, or else `"val"`."""
        return "test" if has_index(f"{self.root}/test") else "val"

    def shards(self, split: str) -> ShardIndex:
        """The index of the shards of a split, read when it is first asked for.

        Raises:
            DataError: It is absent or damaged, or has other classes than the training set.
        """
        if split not in self._shards:
            index = read_index(f"{self.root}/{split}", self.cache)
            where = f"'{public(self.root)}/{split}'"
            if not len(index):
                raise DataError(f"{where} has no samples.")
            if index.about.kind != self.kind:
                raise DataError(
                    f"{where} holds shards for {index.about.kind}, not for {self.kind}: set data "
                    f"to {find_form(index.about.kind).datamodule}."
                )
            names = self.shards("train").class_names if split != "train" else index.class_names
            if index.class_names != names:
                raise DataError(
                    f"{where} has other classes than train: {len(index.class_names)} and "
                    f"{len(names)}. Make the indices of both at once: "
                    f"`{command('shard')} index ROOT --classes FILE`."
                )
            self._shards[split] = index
        return self._shards[split]

    def reader(self, split: str) -> ShardReader:
        """Reads the members of the shards of a split.

        Raises:
            ConfigError: The cache is too small for the shards needed at a time.
            DataError: As for `shards`.
        """
        index = self.shards(split)
        if split == "train":
            self._check_cache(index)
        # Evaluation reads one shard after the other.
        max_open = self.window + 1 if split == "train" else 1
        return ShardReader(f"{self.root}/{split}", index, cache=self.cache, max_open=max_open)

    def arrangement(self, dataset: Dataset[Any]) -> Arrangement:
        """The layout of the training samples in their shards."""
        return Arrangement([shard.samples for shard in self.shards("train").shards])

    def train_sampler(self, dataset: Dataset[Any], rank: int, count: int) -> EpochSampler:
        """An order that reads few shards at a time, for one of `count` processes."""
        self._check_resumed(count)
        arrangement = self.arrangement(dataset)
        return ShardOrder(
            dataset,
            counts=arrangement.counts,
            numbers=arrangement.numbers,
            portrait=arrangement.portrait,
            batch_size=self.batch_size,
            window=self.window,
            seed=self.seed,
            rank=rank,
            count=count,
            repeats=self.repeats,
            ahead=FetchAhead(self.reader("train").fetch) if self.cache else None,
        )

    def image_sources(self) -> Iterator[ImageSource]:
        """None: images in shards are not files to compare."""
        return iter(())

    def state_dict(self) -> dict[str, Any]:
        """The place of training, and what its order depends on: part of a checkpoint."""
        return {**super().state_dict(), "order": self._order(self._processes[1])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from the place in a checkpoint."""
        super().load_state_dict(state_dict)
        self._resumed_order = dict(state_dict["order"])

    def _order(self, count: int) -> dict[str, Any]:
        """What the order of training depends on, by name."""
        samples = len(self.shards("train")) if self.train_dataset is None else self.train_size
        return {"processes": count, "window": self.window, "samples": samples, "seed": self.seed}

    def _check_resumed(self, count: int) -> None:
        """Raise an error if a fit resumes within an epoch whose order would differ."""
        order = self._order(count)
        if not self._resumed.samples or not self._resumed_order:
            return
        changed = [key for key in order if order[key] != self._resumed_order.get(key)]
        if changed:
            raise ConfigError(
                "the checkpoint was written within an epoch, and the order of samples in shards "
                + "; ".join(
                    f"depends on {key}: {self._resumed_order.get(key)} then, {order[key]} now"
                    for key in changed
                )
                + ". Resume with the same, or from a checkpoint of the end of an epoch."
            )

    def _check_cache(self, index: ShardIndex) -> None:
        if self.cache is None:
            return
        processes = self.trainer.num_devices if self.trainer else 1
        shards = min((self.window + 1) * processes, len(index.shards))
        needed = shards * max(shard.size for shard in index.shards)
        if needed > self.cache.limit:
            raise ConfigError(
                f"cache_bytes={self.cache.limit:,} is too little: {processes} processes on this "
                f"machine mix {self.window} shards each and fetch one ahead, up to {needed:,} "
                "bytes. Raise --data.cache_bytes, or lower --data.window."
            )
