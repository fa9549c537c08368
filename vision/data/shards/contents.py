"""What of a dataset goes into shards: the files of its images, and what is known of each."""

import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.annotations.coco_tables import load_json
from vision.annotations.columns import identity
from vision.data.base.classification import ClassificationData
from vision.data.base.datamodule import DataModule
from vision.data.base.detection import DetectionData
from vision.data.base.segmentation import SegmentationData
from vision.data.classes.label_tables import Table
from vision.data.files.finding import read_bytes
from vision.data.index.segmentation import SegmentationIndex
from vision.data.shards.index import About
from vision.data.shards.scan import ENTRY, JSON, LABEL, MASK, OBJECTS
from vision.documents.json_writing import to_json
from vision.errors import ConfigError
from vision.ops.label_images import write_labels


class Contents(ABC):
    """The samples of a split.

    Attributes:
        paths: The files of the images.
        about: What all samples have in common.
        annotations: Contents of `annotations.json`; None without one.
    """

    paths: Sequence[str]
    about: About
    annotations: bytes | None = None

    @abstractmethod
    def members(self, sample: int) -> dict[str, bytes]:
        """What lies beside an image in its shard, by suffix."""

    def sizes(self, sample: int) -> list[int]:
        """Lengths in bytes that these are reckoned with."""
        return [len(content) for content in self.members(sample).values()]

    @abstractmethod
    def state(self) -> bytes:
        """Stands for all that the members are made of."""


class Labelled(Contents):
    """Images with a label.

    Args:
        paths: The files of the images.
        labels: int64 `(N,)`.
        class_names: Name of each class, by label.
    """

    def __init__(
        self, paths: Sequence[str], labels: np.ndarray, class_names: tuple[str, ...]
    ) -> None:
        self.paths = paths
        self.labels = labels
        self.about = About(class_names)

    def members(self, sample: int) -> dict[str, bytes]:
        """The number of the class."""
        return {LABEL: str(self.labels[sample]).encode()}

    def state(self) -> bytes:
        """The labels."""
        return self.labels.tobytes()


class Masked(Contents):
    """Images with a mask, which is written as a grey PNG of class indices.

    Args:
        index: The files.
        table: What the values in the masks mean.
        about: What all samples have in common.
    """

    def __init__(self, index: SegmentationIndex, table: Table, about: About) -> None:
        assert index.masks is not None, "splits that are trained on or evaluated have masks"
        self.index = index
        self.table = table
        self.paths = index.images
        self.masks = index.masks
        self.about = about

    def members(self, sample: int) -> dict[str, bytes]:
        """The mask."""
        labels, name = self.index.mask(sample)
        file = io.BytesIO()
        write_labels(file, self.table.apply(labels, name))
        return {MASK: file.getvalue()}

    def sizes(self, sample: int) -> list[int]:
        """The length of the mask's own file: about that of what is written."""
        return [os.path.getsize(self.masks[sample])]

    def state(self) -> bytes:
        """The files of the masks and their meaning."""
        files = "\0".join(f"{path}\0{os.stat(path).st_mtime_ns}" for path in self.masks)
        return f"{self.table.describe()}\0{files}".encode(errors="surrogateescape")


class Annotated(Contents):
    """Images with objects.

    Args:
        paths: The files of the images.
        image_ids: The id of each in the annotations.
        annotations: Contents of a COCO file.
        class_names: Name of each class, by label.
    """

    def __init__(
        self,
        paths: Sequence[str],
        image_ids: Sequence[int],
        annotations: bytes,
        class_names: tuple[str, ...],
    ) -> None:
        self.paths = paths
        self.annotations = annotations
        digest = hashlib.sha256(annotations).hexdigest()
        self.about = About(class_names, "detection", annotations=(digest, len(annotations)))
        self._image_ids = image_ids
        tables = load_json(annotations, "annotations.json")
        self._images = {identity(image["id"]): image for image in tables["images"]}
        self._objects: dict[int | None, list[Any]] = defaultdict(list)
        for one in tables["annotations"]:
            self._objects[identity(one["image_id"])].append(one)

    def members(self, sample: int) -> dict[str, bytes]:
        """The entry of the image, and its annotations."""
        number = self._image_ids[sample]
        entry = {ENTRY: self._images[number], OBJECTS: self._objects.get(number, [])}
        return {JSON: to_json(entry).encode()}

    def state(self) -> bytes:
        """The annotations."""
        assert self.annotations is not None
        return self.annotations


def read_contents(data: DataModule) -> dict[str, Contents]:
    """The samples of each split of a dataset: `train`, `val`, and `test` if that is another one.

    Args:
        data: The dataset.

    Raises:
        ConfigError: The dataset does not read files of images.
        DataError: Files are absent or not in the expected layout.
    """
    if isinstance(data, SegmentationData | DetectionData):
        data.setup("fit")  # what is wrong is told before anything is written
        read = _masked if isinstance(data, SegmentationData) else _annotated
        splits = ["train", "val", *({data.test_split} - {"val"})]
        return {split: read(data, split) for split in splits}  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    if isinstance(data, ClassificationData):
        data.setup("fit")
        data.setup("test")
        found = {split: getattr(data, f"{split}_dataset") for split in ("train", "val", "test")}
    if not found or not all(hasattr(dataset, "paths") for dataset in found.values()):
        raise ConfigError(
            f"{type(data).__name__} does not read files of images: shards are made of ImageFolder, "
            "ImageNet and the datasets for detection and segmentation."
        )
    assert isinstance(data, ClassificationData)
    if [*found["test"].paths] == [*found["val"].paths]:
        del found["test"]
    return {
        split: Labelled(dataset.paths, dataset.labels, tuple(data.class_names))
        for split, dataset in found.items()
    }


def _masked(data: SegmentationData, split: Any) -> Masked:
    colors, values = data.palette, data.prediction_values
    about = About(
        tuple(data.class_names),
        "segmentation",
        None if colors is None else tuple(map(tuple, colors.tolist())),
        None if values is None else tuple(values.tolist()),
    )
    return Masked(data.index(split), data.label_table, about)


def _annotated(data: DetectionData, split: Any) -> Annotated:
    index = data.index(split)
    found = data.annotations(split)
    contents = read_bytes(found) if isinstance(found, Path) else to_json(found).encode()
    paths = [str(index.path(image)) for image in range(len(index))]
    return Annotated(paths, index.image_ids.tolist(), contents, tuple(data.class_names))
