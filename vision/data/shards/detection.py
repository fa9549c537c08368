"""Images with boxes and masks of objects in tar shards."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.annotations.coco_tables import load_json
from vision.data.base.detection import DetectionData, MaskOptions, Split
from vision.data.check.index import problems_of_file
from vision.data.files.array_cache import default_cache_dir
from vision.data.formats.coco import check_coco, read_coco
from vision.data.images.read import EncodedImage
from vision.data.index.detection import DetectionIndex
from vision.data.shards.datamodule import SPLITS, Arrangement, ShardedData, ShardOptions
from vision.data.shards.index import ANNOTATIONS, has_index
from vision.data.shards.reader import ShardReader
from vision.data.shards.remote import public
from vision.errors import ConfigError, DataError
from vision.keywords import Unpack
from vision.program import command


@dataclass(kw_only=True, eq=False)
class ShardedDetectionIndex(DetectionIndex):
    """The index of images in shards.

    Attributes:
        reader: Reads the images.
        members: int64 `(N,)`, number of each image in the shards.
    """

    reader: ShardReader
    members: np.ndarray

    def read(self, image: int) -> EncodedImage:
        """The bytes of an image.

        Args:
            image: Number of the image, 0 to N - 1.

        Raises:
            DataError: Its shard cannot be read.
        """
        return self.reader.read(int(self.members[image]))

    def partners(self, image: int) -> Sequence[int]:
        """Numbers of the images in the shard of an image: another would have to be copied first.

        Args:
            image: Number of the image, 0 to N - 1.
        """
        shards = self.reader.index.shards_of(self.members)
        return np.flatnonzero(shards == shards[image]).tolist()

    def with_objects(self) -> "ShardedDetectionIndex":
        """The index of the images that have objects, crowds included; arrays are shared."""
        kept: Any = super().with_objects()  # of this class too
        return replace(kept, members=self.members[np.diff(self.starts) > 0])


class DetectionShardOptions(ShardOptions, MaskOptions, total=False):
    """Keywords that `DetectionShards` passes on."""


class DetectionShards(ShardedData, DetectionData):
    """A dataset of images with boxes, and optionally masks, in tar shards.

    `root` has the folders `train`, `val` and optionally `test`, each with `*.tar`, `index.json`,
    `index.npy` and `annotations.json` in COCO's format: `vision shard` makes them from any
    dataset for detection. The annotations are read by the rules of `COCO`; predictions are compared
    with the dataset's own annotations. Without a test set the validation set is tested and
    predicted.

    Args:
        root: The dataset's folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        annotations_cache: Folder where parsed annotations are kept for the next start; "" or None
            keeps none; "default" is `vision/annotations` in `$XDG_CACHE_HOME` or `~/.cache`.
        **options: Other keywords of `ShardedData` and `DetectionData`.

    Raises:
        ConfigError: An option is out of its range.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str],
        annotations_cache: str | os.PathLike[str] | None = "default",
        **options: Unpack[DetectionShardOptions],
    ) -> None:
        super().__init__(root=root, **options)
        if self.repeat_threshold is not None:
            raise ConfigError(
                f"repeat_threshold={self.repeat_threshold:g} is not possible with shards, "
                "which are read from end to end, once in an epoch. Leave it out, or read the "
                "dataset from its own files (COCO, LVIS, ...)."
            )
        if annotations_cache == "default":
            self.annotations_cache: Path | None = default_cache_dir()
        else:
            self.annotations_cache = (
                Path(annotations_cache).expanduser() if annotations_cache else None
            )

    def read_index(self, split: Split) -> DetectionIndex:
        """Read the annotations of a split, and the places of its images.

        Raises:
            ConfigError: The cache is too small for the shards needed at a time.
            DataError: A file is absent or damaged, or has problems.
        """
        reader = self.reader(split)
        with self._opened(split) as path:
            index = read_coco(
                path,
                Path(reader.folder),
                masks=self.masks,
                clip_boxes=self.clip_boxes,
                cache_dir=self.annotations_cache,
                check=f"DetectionShards --root {public(self.root)}",
            )
        if index.federated:
            self.evaluation = "lvis"
        ids = reader.index.places["image_id"]
        members = np.argsort(ids, kind="stable")
        if not np.array_equal(ids[members], index.image_ids):
            raise DataError(
                f"{self.looked_at(split)} does not list the {len(ids):,} images of the shards "
                f"beside it: {len(index):,} images, of other ids. Make the shards again: "
                f"`{command('shard')} make`."
            )
        fields = {name: getattr(index, name) for name in DetectionIndex.__dataclass_fields__}
        return ShardedDetectionIndex(**fields, reader=reader, members=members)

    def prepare_data(self) -> None:
        """Parse the annotations once, on one process of each machine; the others map the result."""
        if self.annotations_cache is not None:
            self.index("train")
            self.index("val")

    def annotations(self, split: Split) -> dict[str, Any] | Path:
        """The annotation file of a split; its contents, if it is remote."""
        with self._opened(split) as path:
            return path if self.cache is None else load_json(path.read_bytes(), path)

    def looked_at(self, split: Split) -> str:
        """The annotation file of a split."""
        return f"'{public(self.root)}/{split}/{ANNOTATIONS}'"

    def require_images(self, index: DetectionIndex) -> None:
        """Do nothing: the reader of the shards reports an absent one."""

    def arrangement(self, dataset: Dataset[Any]) -> Arrangement:
        """The layout of the training images in their shards."""
        index = dataset.index  # type: ignore[attr-defined]
        shards = index.reader.index
        counts = np.bincount(shards.shards_of(index.members), minlength=len(shards.shards))
        portrait = index.sizes[:, 0] > index.sizes[:, 1] if self.group_by_aspect else None
        return Arrangement(counts.tolist(), np.argsort(index.members, kind="stable"), portrait)

    def annotation_problems(self) -> Iterator[str]:
        """All problems of the annotation files, with file and id."""
        for split in SPLITS:
            if not has_index(f"{self.root}/{split}"):
                continue
            with self._opened(split) as path:
                folder = Path(self.root, split)
                checked = check_coco(path, folder, masks=self.masks, clip_boxes=self.clip_boxes)
            yield from problems_of_file(checked, f"'{path}'")

    @contextmanager
    def _opened(self, split: str) -> Iterator[Path]:
        """The annotation file of a split, on this machine until the block ends."""
        where = f"{self.root}/{split}/{ANNOTATIONS}"
        if self.cache is None:
            yield Path(where)
            return
        annotations = self.shards(split).about.annotations
        assert annotations is not None, "shards for detection have annotations"
        digest, size = annotations
        with self.cache.open(where, f"{digest}.json", size):
            yield self.cache.folder / f"{digest}.json"

    def _order(self, count: int) -> dict[str, Any]:
        return {**super()._order(count), "group_by_aspect": self.group_by_aspect}
