"""Shards of images with objects: `KEY.json` for each, and `annotations.json` for all."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vision.annotations.coco_tables import load_json
from vision.annotations.columns import identity
from vision.data.files.finding import read_bytes
from vision.data.shards.contents import About, Contents
from vision.data.shards.forms import IMAGE, JSON, Form, Members
from vision.documents.json_text import parse_json
from vision.documents.json_writing import to_json
from vision.errors import DataError

# Keys of `KEY.json`: the entry of the image in COCO's format, and its annotations.
ENTRY, OBJECTS = "image", "annotations"
_LONGEST_ENTRY = 1 << 28  # bytes


class Annotated(Contents):
    """Images with objects.

    Args:
        paths: The files of the images.
        image_ids: The id of each in the annotations.
        annotations: Contents of a COCO file.
        about: What all samples have in common, without the annotations.
    """

    def __init__(
        self, paths: Sequence[str], image_ids: Sequence[int], annotations: bytes, about: About
    ) -> None:
        self.paths = paths
        self.annotations = annotations
        digest = hashlib.sha256(annotations).hexdigest()
        self.about = about._replace(annotations=(digest, len(annotations)))
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


class DetectionForm(Form):
    """The id of each image in the annotations."""

    datamodule = "DetectionShards"
    expected = f"KEY.{JSON}"
    place = np.dtype([*IMAGE, ("image_id", "<i8")])
    has_annotations = True

    def contents(self, data: Any, split: str) -> Contents:
        """The images and annotations of a split."""
        index = data.index(split)
        found = data.annotations(split)
        content = read_bytes(found) if isinstance(found, Path) else to_json(found).encode()
        paths = [str(index.path(image)) for image in range(len(index))]
        about = About(tuple(data.class_names), data.kind)
        return Annotated(paths, index.image_ids.tolist(), content, about)

    def details(self, members: Members, field: str) -> tuple[int | str, ...]:
        """The id of the image."""
        contents = None
        if members.places.get(JSON, (0, _LONGEST_ENTRY + 1))[1] <= _LONGEST_ENTRY:
            where = f"'{members.where}.{JSON}'"
            contents = parse_json(members.read(JSON), where, finite=False, bulk=True)
        entry = contents.get(ENTRY) if isinstance(contents, Mapping) else None
        number = identity(entry.get("id")) if isinstance(entry, Mapping) else None
        if number is None:
            raise DataError(
                f"sample '{members.where}' has no id: expected {members.key}.{JSON} with "
                f'{{"{ENTRY}": {{"id": NUMBER, ...}}, "{OBJECTS}": [...]}}, entries of a COCO file.'
            )
        return (number,)
