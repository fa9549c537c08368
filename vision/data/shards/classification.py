"""Images in tar shards, for data that do not fit one disk."""

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from vision.contracts.classification import ClassificationSample
from vision.contracts.images import ImageSample
from vision.data.base.classification import ClassificationData
from vision.data.base.images import ImageBatches
from vision.data.images.read import decode_image
from vision.data.loading.sampling import EpochSampler
from vision.data.shards.cache import ShardCache
from vision.data.shards.index import ShardIndex, has_index, read_index
from vision.data.shards.order import ShardOrder
from vision.data.shards.reader import ShardReader
from vision.data.shards.remote import as_folder, is_remote, public
from vision.data.transforms.classification import EvalTransform, TrainTransform
from vision.data.transforms.options import NO_OPTIONS, Augment, CropMode, Interpolation
from vision.errors import ConfigError, DataError, VisionError
from vision.keywords import Unpack
from vision.options import check_number

logger = logging.getLogger(__name__)


class ShardSamples(Dataset[ClassificationSample | ImageSample]):
    """Images read out of shards, with labels, or with their paths in place of labels.

    Args:
        reader: Reads the files out of the shards.
        transform: Decodes a file into uint8 `(3, H, W)`.
        labelled: Whether samples have a `label`, not a `path`.
    """

    def __init__(
        self,
        reader: ShardReader,
        transform: TrainTransform | EvalTransform,
        *,
        labelled: bool = True,
    ) -> None:
        self.reader = reader
        self.transform = transform
        self.labelled = labelled

    def __getitem__(self, index: int) -> ClassificationSample | ImageSample:
        encoded = self.reader.read(index)
        image = self.transform.decode(encoded)
        if not self.labelled:
            return {"image": image, "path": encoded.name}
        label = int(self.reader.index.places["label"][index])
        return {"image": image, "label": torch.tensor(label)}

    def __len__(self) -> int:
        return len(self.reader.index)

    @property
    def labels(self) -> np.ndarray | None:
        """Class of each image, `(N,)`; None where samples have no labels."""
        return self.reader.index.places["label"] if self.labelled else None


class ShardImages(Dataset[None]):
    """Images of shards to decode; there is nothing to learn from them but whether that works.

    Args:
        reader: Reads the files out of the shards.
    """

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader

    def __getitem__(self, index: int) -> None:
        """Decode an image, whole.

        Raises:
            DataError: The shard cannot be read, or the image cannot be decoded.
        """
        decode_image(self.reader.read(index), strict=True)

    def __len__(self) -> int:
        return len(self.reader.index)


class ImageShards(ClassificationData):
    """A classification dataset in tar shards of the WebDataset layout, with an index.

    `root` has the folders `train`, `val` and maybe `test`, each with `*.tar`, `index.json` and
    `index.npy`: `tools/shard.py` makes them. Local shards are read where they are. Remote ones are
    copied to a cache when they are needed; a process needs `window` of them at a time, and one more
    is fetched ahead. Without a test set the validation set is tested, and it is predicted.

    The order of training is a function of `(seed, epoch)` and of the number of processes alone.

    Args:
        root: The dataset's folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        image_size: Side in pixels of the square images that the model gets.
        crop: Share of the resized short side that the central crop keeps in evaluation.
        interpolation: Filter of the resize in evaluation.
        crop_mode: Whether evaluation takes the central square, or squashes the image to a square.
        augment: Options of the augmentation of training images.
        cache_dir: Where copies of remote shards are kept; None is `vision/shards` in the user's
            cache folder.
        cache_bytes: Bytes that the cache may hold; the shards used longest ago go first.
        window: Shards whose samples are mixed, for each process.
        **loading: Other keywords of `ImageData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        image_size: int = 224,
        crop: float = 0.875,
        interpolation: Interpolation = "bicubic",
        crop_mode: CropMode = "center",
        augment: Augment = NO_OPTIONS,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes: float = 100e9,
        window: int = 8,
        **loading: Unpack[ImageBatches],
    ) -> None:
        super().__init__(**loading)
        check_number("window", window, minimum=1, unit="shards")
        self.repeats = augment.repeats
        self.root = as_folder(root)
        folder = user_cache() if cache_dir is None else Path(cache_dir).expanduser()
        cache = ShardCache(folder, limit=int(cache_bytes))
        self.cache = cache if is_remote(self.root) else None
        self.window = window
        self.train_transform = TrainTransform(image_size, augment)
        self.eval_transform = EvalTransform(
            image_size, crop=crop, interpolation=interpolation, crop_mode=crop_mode
        )
        self._indices: dict[str, ShardIndex] = {}
        self._resumed_order: dict[str, int] = {}

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the index of the training set."""
        return self._index("train").class_names

    def setup(self, stage: str) -> None:
        """Read the index of a stage's shards and make its datasets.

        Raises:
            ConfigError: The cache is too small for the shards that are needed at a time.
            DataError: An index is absent or damaged, or has other classes.
        """
        if stage == "fit":
            self._check_cache(self._index("train"))
            reader = self._reader("train", max_open=self.window + 1)
            self.train_dataset = ShardSamples(reader, self.train_transform)
        if stage in ("fit", "validate"):
            self.val_dataset = ShardSamples(self._reader("val"), self.eval_transform)
        if stage in ("test", "predict"):
            reader = self._reader(self._test_split)
            samples = ShardSamples(reader, self.eval_transform, labelled=stage == "test")
            setattr(self, f"{stage}_dataset", samples)

    def samples_to_check(self) -> Iterator[Dataset[Any]]:
        """The images of every split whose index can be read."""
        for split in ("train", "val", "test"):
            if split in self._indices:
                yield ShardImages(self._reader(split))

    def train_sampler(self, dataset: Dataset[Any], rank: int, count: int) -> EpochSampler:
        """An order that reads few shards at a time, for one of `count` processes."""
        self._check_resumed(count)
        reader = self._reader("train")
        return ShardOrder(
            dataset,
            counts=[shard.samples for shard in reader.index.shards],
            window=self.window,
            seed=self.seed,
            rank=rank,
            count=count,
            repeats=self.repeats,
            ahead=FetchAhead(reader.fetch) if self.cache else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """Where training stands, and what its order depends on: part of a checkpoint."""
        return {**super().state_dict(), "order": self._order(self._processes[1])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the place in a checkpoint."""
        super().load_state_dict(state_dict)
        self._resumed_order = dict(state_dict["order"])

    @cached_property
    def _test_split(self) -> str:
        return "test" if has_index(f"{self.root}/test") else "val"

    def _reader(self, split: str, *, max_open: int = 1) -> ShardReader:
        index = self._index(split)
        folder = f"{self.root}/{split}"
        return ShardReader(folder, index, cache=self.cache, max_open=max_open)

    def _index(self, split: str) -> ShardIndex:
        if split not in self._indices:
            index = read_index(f"{self.root}/{split}", self.cache)
            if not len(index):
                raise DataError(f"'{public(self.root)}/{split}' has no samples.")
            if split != "train" and index.class_names != self.class_names:
                raise DataError(
                    f"'{public(self.root)}/{split}' has other classes than train: "
                    f"{len(index.class_names)} and {len(self.class_names)}. Make the indices of "
                    "both at once: python tools/shard.py index ROOT --classes FILE."
                )
            self._indices[split] = index
        return self._indices[split]

    def _order(self, count: int) -> dict[str, int]:
        samples = len(self._index("train"))
        return {"processes": count, "window": self.window, "samples": samples, "seed": self.seed}

    def _check_resumed(self, count: int) -> None:
        """Refuse to go on within an epoch whose order would be another one."""
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


class FetchAhead:
    """Fetches shards in the background, one at a time.

    Of the shards that are named while one is being fetched only the last is still ahead of its use.

    Args:
        fetch: Fetches a shard. What it raises is left to the process that needs the shard.
    """

    def __init__(self, fetch: Callable[[int], None]) -> None:
        self._fetch = fetch
        self._next: deque[int] = deque(maxlen=1)
        self._named = threading.Semaphore(0)
        self._thread: threading.Thread | None = None

    def __call__(self, shard: int) -> None:
        """Have a shard fetched soon."""
        self._next.append(shard)
        self._named.release()
        if self._thread is None:
            # As a daemon it does not keep the process alive at its end.
            self._thread = threading.Thread(target=self._run, name="fetch shards", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while self._named.acquire():
            try:
                shard = self._next.pop()
            except IndexError:
                continue  # another one has taken its place, and was fetched
            try:
                self._fetch(shard)
            except VisionError as error:
                logger.warning("not fetched ahead: %s", error)


def user_cache() -> Path:
    """Where copies of shards are kept unless another folder is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "vision", "shards")
