"""A scan of some masks of a segmentation dataset, and all of its problems at once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.contracts.segmentation import IGNORED
from vision.data.check.problems import ImageFiles
from vision.data.check.unique_parts import unique_parts
from vision.data.classes.label_tables import Table
from vision.data.images.read import EncodedImage, decode_image
from vision.data.index.segmentation import SegmentationIndex
from vision.data.transforms.segmentation import decode_masked
from vision.errors import DataError, ImageError, listed
from vision.ops.png import png_fault, png_size_fault
from vision.wording import counted

# Masks of a split that are read at the start.
LOOKED_AT = 16
# Classes and values that a line lists.
MAX_LISTED = 8


@dataclass(frozen=True, kw_only=True)
class MaskScan:
    """Statistics of some masks of a split.

    Attributes:
        masks: Number of masks.
        path: One of them; empty if there are none.
        counts: int64 `(K,)` pixels of each class.
        ignored: Number of ignored pixels.
        values: Values in grey and palette files, in order; empty for RGB files.
    """

    masks: int
    path: str
    counts: np.ndarray
    ignored: int
    values: tuple[int, ...]

    def value_text(self) -> str:
        """The values in words."""
        if not self.values:
            return "colours"
        more = ", ..." if len(self.values) > MAX_LISTED else ""
        return ", ".join(map(str, self.values[:MAX_LISTED])) + more


def scan_masks(index: SegmentationIndex, table: Table, *, maximum: int = LOOKED_AT) -> MaskScan:
    """Read some masks of a split, evenly spread, the first and the last among them.

    An unreadable mask is skipped here; the run itself decides whether it may skip it.

    Args:
        index: The split.
        table: The mapping from values to classes.
        maximum: Number of masks to read.

    Raises:
        DataError: A mask has a value that is not expected.
    """
    images = 0 if index.masks is None else len(index)
    counts = np.zeros(IGNORED + 1, dtype=np.int64)
    values: set[int] = set()
    path, read = "", 0
    for place in np.unique(
        np.linspace(0, max(0, images - 1), maximum if images else 0).round().astype(int)
    ):
        try:
            labels, path = index.mask(int(place))
        except ImageError:
            continue
        read += 1
        counts += np.bincount(table.apply(labels, path).ravel(), minlength=IGNORED + 1)
        if labels.ndim == 2:
            values.update(np.flatnonzero(np.bincount(labels.ravel())).tolist())
    return MaskScan(
        masks=read,
        path=path,
        counts=counts[: table.num_classes],
        ignored=int(counts[IGNORED]),
        values=tuple(sorted(values)),
    )


def describe_scan(scan: MaskScan, mapping: str, class_names: Sequence[str]) -> str:
    """The mapping, and the share of each class in some masks, in one line to log.

    Args:
        scan: Statistics of the masks.
        mapping: The text of `Table.describe`.
        class_names: Name of each class.
    """
    total = max(1, int(scan.counts.sum()) + scan.ignored)
    order = np.argsort(-scan.counts, kind="stable")
    present = [
        f"{class_names[label]} {scan.counts[label] / total:.1%}"
        for label in order
        if scan.counts[label]
    ]
    absent = len(class_names) - len(present)
    parts = [*present[:MAX_LISTED]]
    if len(present) > MAX_LISTED:
        parts.append(f"{len(present) - MAX_LISTED} more classes")
    parts.append(f"ignored {scan.ignored / total:.1%}")
    if absent:
        parts.append(f"{counted(absent, 'classes')} absent")
    return f"masks: {mapping}; in {scan.masks} of them: {', '.join(parts)}"


class CheckedPairs(Dataset[np.ndarray]):
    """Images and masks to check, with the classes that occur in them.

    Args:
        index: The files.
        table: The mapping from values to classes.
        split: Name of the split.
        class_names: Name of each class.
    """

    def __init__(
        self, index: SegmentationIndex, table: Table, split: str, class_names: Sequence[str]
    ) -> None:
        self.index = index
        self.table = table
        self.split = split
        self.class_names = class_names
        self.present = np.zeros(IGNORED + 1, dtype=bool)

    def __getitem__(self, place: int) -> np.ndarray:
        """Decode an image and its mask: bool `(256,)`, which classes occur.

        Raises:
            ImageError: A file cannot be read, or the two differ in size.
            DataError: The mask has a value that is not expected.
        """
        encoded = self.index.image(place)
        with image_first(encoded, "mask"):
            labels, path = self.index.mask(place)
            mask = self.table.apply(labels, path)
            check_mask(self.index.mask_file(place))
        decode_masked(encoded, mask, path, strict=True)
        return np.bincount(mask.ravel(), minlength=IGNORED + 1) > 0

    def collect(self, found: Sequence[np.ndarray]) -> None:
        """Note the classes of some masks."""
        for present in found:
            self.present |= present

    def remarks(self) -> list[str]:
        """A line if classes occur in no mask."""
        here = self.present[: len(self.class_names)].tolist()
        absent = [n for n, present in zip(self.class_names, here, strict=True) if not present]
        if not absent:
            return []
        names = listed(map(repr, absent), maximum=MAX_LISTED)
        return [f"{self.split}: no pixel of any mask has the class {names}."]

    def __len__(self) -> int:
        return len(self.index)


@contextmanager
def image_first(image: EncodedImage, what: str) -> Iterator[None]:
    """Let what is wrong with the mask of an image not hide what is wrong with the image.

    Args:
        image: The image.
        what: What its mask is called in the message of both errors.

    Raises:
        ImageError: The mask is wrong within the context, and the image cannot be decoded either.
    """
    try:
        yield
    except DataError as error:
        try:
            decode_image(image, strict=True)
        except ImageError as other:
            raise ImageError(f"{other} And its {what}: {error}") from error
        raise


def check_mask(mask: EncodedImage) -> None:
    """Raise an `ImageError` if a PNG file is damaged in a way that decoding may not notice."""
    if fault := png_fault(mask.data, strict=True) or png_size_fault(mask.data):
        raise ImageError(f"mask '{mask.name}' is damaged: {fault}. Copy or download it again.")


def unique_pairs(
    indices: Mapping[str, SegmentationIndex], table: Table | None, class_names: Sequence[str]
) -> Iterator[Dataset[Any]]:
    """The images of some splits with their masks, each image once.

    Args:
        indices: The splits, by name.
        table: The mapping from values to classes; None, if it is not known, reads only images.
        class_names: Name of each class.
    """
    for split, part in unique_parts(indices):
        if part.masks is None or table is None:
            yield ImageFiles(part.images)
        else:
            yield CheckedPairs(part, table, split, class_names)
