"""The form of the shards of a kind of task: the members beside each image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO, Any, ClassVar, NamedTuple

import numpy as np

from vision.data.shards.contents import Contents
from vision.task_parts import find_part, kinds_with

# The fields of each sample in the index that say where its image begins in the shard, and its
# length in bytes. Those of a mask have "mask_" before them.
IMAGE = (("offset", "<i8"), ("bytes", "<u4"))
# Suffix of a JSON member.
JSON = "json"


class Members(NamedTuple):
    """The files of one sample in a shard.

    Attributes:
        file: The shard, seekable.
        places: Offset and length in bytes of each file, by suffix.
        where: Path or URL of the shard and key of the sample, for messages.
    """

    file: IO[bytes]
    places: Mapping[str, tuple[int, int]]
    where: str

    @property
    def key(self) -> str:
        """The common name of the sample's files."""
        return PurePosixPath(self.where).name

    def read(self, suffix: str) -> bytes:
        """The contents of a file."""
        offset, size = self.places[suffix]
        self.file.seek(offset)
        return self.file.read(size)


class Form(ABC):
    """The members beside each image in shards for a kind of task, and their index.

    Attributes:
        datamodule: Name of the datamodule that reads them.
        expected: What a sample has beside `KEY.jpg`, for messages.
        place: Type of a sample in the index: `IMAGE`, and what `details` finds.
        has_annotations: Whether `annotations.json`, a file in COCO's format, lies beside the index.
    """

    datamodule: ClassVar[str]
    expected: ClassVar[str]
    place: ClassVar[np.dtype[Any]]
    has_annotations: ClassVar[bool] = False

    @property
    def has_labels(self) -> bool:
        """Whether the index has the class of each image."""
        return "label" in (self.place.names or ())

    @property
    def members(self) -> dict[str, str]:
        """What is read of each sample, and how its fields in the index begin."""
        has_masks = "mask_offset" in (self.place.names or ())
        return {"image": "", **({"mask": "mask_"} if has_masks else {})}

    def splits(self, data: Any) -> list[str]:
        """Set a dataset up, and name the splits to write: `test` only if it is another than `val`.

        Args:
            data: A dataset of this kind.

        Raises:
            ConfigError: The dataset does not read files of images.
            DataError: Files are absent or not in the expected layout.
        """
        data.setup("fit")
        return ["train", "val", *({data.test_split} - {"val"})]

    @abstractmethod
    def contents(self, data: Any, split: str) -> Contents:
        """The samples of a split of a dataset that is set up."""

    @abstractmethod
    def details(self, members: Members, field: str) -> tuple[int | str, ...]:
        """The fields of a sample in the index, after the image's fields; a label is a text.

        Args:
            members: The files of the sample.
            field: The field with the label, where labels are JSON.

        Raises:
            DataError: What is expected beside the image is absent or of another form.
        """


def find_form(kind: str) -> Form:
    """The form of the shards of a kind of task.

    Raises:
        ConfigError: There are no shards for this kind.
    """
    form: type[Form] = find_part(kind, "shard_form")
    return form()


def sharded_kinds() -> list[str]:
    """The kinds of task with shards; the first is the default for shards of others."""
    return kinds_with("shard_form")
