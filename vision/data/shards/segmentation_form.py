"""Shards of images with a mask each, `KEY.mask.png`: a grey PNG of class indices."""

import io
import os
from typing import Any

import numpy as np

from vision.data.classes.label_tables import Table
from vision.data.index.segmentation import SegmentationIndex
from vision.data.shards.contents import About, Contents
from vision.data.shards.forms import IMAGE, Form, Members
from vision.errors import DataError
from vision.ops.label_images import write_labels

# Suffix of a mask.
MASK = "mask.png"


class Masked(Contents):
    """Images with a mask.

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
        """The length of the mask's own file, which is about the length of what is written."""
        return [os.path.getsize(self.masks[sample])]

    def state(self) -> bytes:
        """The files of the masks and their meaning."""
        files = "\0".join(f"{path}\0{os.stat(path).st_mtime_ns}" for path in self.masks)
        return f"{self.table.describe()}\0{files}".encode(errors="surrogateescape")


class SegmentationForm(Form):
    """A mask for each image."""

    datamodule = "SegmentationShards"
    expected = f"KEY.{MASK}"
    place = np.dtype([*IMAGE, ("mask_bytes", "<u4"), ("mask_offset", "<i8")])

    def contents(self, data: Any, split: str) -> Contents:
        """The images and masks of a split."""
        colors, values = data.palette, data.prediction_values
        about = About(
            tuple(data.class_names),
            data.kind,
            palette=None if colors is None else tuple(map(tuple, colors.tolist())),
            prediction_values=None if values is None else tuple(values.tolist()),
        )
        return Masked(data.index(split), data.label_table, about)

    def details(self, members: Members, field: str) -> tuple[int | str, ...]:
        """Length of the mask, and its offset."""
        if MASK not in members.places:
            raise DataError(
                f"sample '{members.where}' has no mask: expected {members.key}.{MASK}, a grey PNG "
                "of class indices, with 255 for ignored pixels."
            )
        offset, size = members.places[MASK]
        return size, offset
