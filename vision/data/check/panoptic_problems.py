"""Checks of a panoptic dataset: a scan of some files, and all of its problems at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from vision.contracts.segments import VOID
from vision.data.check.problems import ImageFiles, SplitSummary
from vision.data.check.segmentation_problems import MAX_LISTED, check_mask, image_first
from vision.data.check.unique_parts import unique_parts
from vision.data.index.panoptic import PanopticIndex
from vision.data.transforms.segmentation import decode_masked
from vision.errors import ImageError, listed
from vision.wording import counted

# Images of a split that are read at the start.
LOOKED_AT = 8


@dataclass(frozen=True, kw_only=True)
class SegmentScan:
    """Statistics of some images of a split.

    Attributes:
        images: Number of images.
        path: Segment ids of one of them; empty if there are none.
        counts: int64 `(K,)` segments of each class, crowds apart.
        crowds: Number of crowds.
        labelled: Share of the pixels that belong to a segment, in [0, 1].
    """

    images: int
    path: str
    counts: np.ndarray
    crowds: int
    labelled: float


def scan_segments(
    index: PanopticIndex,
    num_classes: int,
    *,
    maximum: int = LOOKED_AT,
    skip_bad_images: bool = False,
) -> SegmentScan:
    """Read some images of a split with their segments, evenly spread, first and last among them.

    Args:
        index: The split.
        num_classes: Number of classes.
        maximum: Number of images to read.
        skip_bad_images: Whether unreadable ones are skipped here; the run itself then decides.

    Raises:
        DataError: The listed segments are not those of the pixels.
        ImageError: A file cannot be read, or image and segments differ in size.
    """
    images = 0 if index.masks is None else len(index)
    counts = np.zeros(num_classes, dtype=np.int64)
    path, read, crowds, pixels, labelled = "", 0, 0, 0, 0
    for place in np.unique(
        np.linspace(0, max(0, images - 1), maximum if images else 0).round().astype(int)
    ):
        try:
            ids, segments, path = index.segments(int(place))
            decode_masked(index.image(int(place)), ids, path)
        except ImageError:
            if not skip_bad_images:
                raise
            continue
        read += 1
        counts += np.bincount(segments.labels[~segments.crowd], minlength=num_classes)
        crowds += int(segments.crowd.sum())
        pixels += ids.size
        labelled += int(np.count_nonzero(ids != VOID))
    return SegmentScan(
        images=read, path=path, counts=counts, crowds=crowds, labelled=labelled / max(1, pixels)
    )


def describe_scan(scan: SegmentScan, class_names: Sequence[str], things: np.ndarray) -> str:
    """What some images of a split hold, in one line to log.

    Args:
        scan: Statistics of the images.
        class_names: Name of each class.
        things: bool `(K,)`, which classes are things.
    """
    order = np.argsort(-scan.counts, kind="stable")
    present = [
        f"{class_names[label]} {scan.counts[label]}" for label in order if scan.counts[label]
    ]
    parts = present[:MAX_LISTED]
    if len(present) > MAX_LISTED:
        parts.append(f"{len(present) - MAX_LISTED} more classes")
    if scan.crowds:
        parts.append(counted(scan.crowds, "crowds"))
    parts.append(f"{scan.labelled:.1%} of the pixels")
    kinds = f"{int(things.sum())} things, {int((~things).sum())} sorts of stuff"
    return f"{kinds}; segments in {scan.images} images: {', '.join(parts)}"


def one_sort(things: np.ndarray) -> str | None:
    """A remark if all classes are things, or all are stuff; None if there are both.

    Args:
        things: bool `(K,)`, which classes are things.
    """
    if things.any() and not things.all():
        return None
    found, absent, value = ("things", "stuff", 0) if things.all() else ("stuff", "things", 1)
    return (
        f"all {counted(len(things), 'classes')} are {found} ('isthing' {1 - value}): PQ of "
        f"{absent} cannot be measured. If some are {absent}, write 'isthing': {value} to their "
        "'categories'."
    )


class CheckedSegments(Dataset[np.ndarray]):
    """Images and segments to check, with the classes that occur in them.

    Args:
        index: The files.
        split: Name of the split.
        class_names: Name of each class.
        things: bool `(K,)`, which classes are things.
    """

    def __init__(
        self, index: PanopticIndex, split: str, class_names: Sequence[str], things: np.ndarray
    ) -> None:
        self.index = index
        self.split = split
        self.class_names = class_names
        self.things = things
        self.counts = np.zeros(len(class_names), dtype=np.int64)

    def __getitem__(self, place: int) -> np.ndarray:
        """Decode an image and its segments: int64 `(K,)`, segments of each class, crowds apart.

        Raises:
            ImageError: A file cannot be read, or has another size than annotated.
            DataError: The listed segments are not those of the pixels.
        """
        encoded = self.index.image(place)
        with image_first(encoded, "segments"):
            ids, segments, path = self.index.segments(place)
            check_mask(self.index.mask_file(place))
        decode_masked(encoded, ids, path, strict=True)
        return np.bincount(segments.labels[~segments.crowd], minlength=len(self.class_names))

    def collect(self, found: Sequence[np.ndarray]) -> None:
        """Add the segments of some images."""
        for counts in found:
            self.counts += counts

    def remarks(self) -> list[str]:
        """Lines if classes occur in no image, or all are of one sort."""
        lines = [f"{self.split}: {text}" for text in (one_sort(self.things),) if text]
        absent = [
            repr(self.class_names[label]) for label in np.flatnonzero(self.counts == 0).tolist()
        ]
        if absent:
            names = listed(absent, maximum=MAX_LISTED)
            lines.append(f"{self.split}: no segment of any image has the class {names}.")
        return lines

    def __len__(self) -> int:
        return len(self.index)


def unique_segmented(
    indices: Mapping[str, PanopticIndex], class_names: Sequence[str], things: np.ndarray
) -> Iterator[Dataset[Any]]:
    """The images of some splits with their segments, each image once.

    Args:
        indices: The splits, by name.
        class_names: Name of each class.
        things: bool `(K,)`, which classes are things.
    """
    for split, part in unique_parts(indices):
        if part.masks is None:
            yield ImageFiles(part.images)
        else:
            yield CheckedSegments(part, split, class_names, things)


def summarise_index(index: PanopticIndex, class_names: Sequence[str]) -> SplitSummary:
    """Summarise a split: its images and, where they are listed, its segments.

    Args:
        index: The split.
        class_names: Name of each class.
    """
    table = index.table
    if table is None:
        return {"images": len(index)}
    counts = np.bincount(table.labels, minlength=len(class_names)).tolist()
    return {
        "images": len(index),
        "classes": dict(zip(class_names, counts, strict=True)),
        "objects": len(table.ids),
        "crowd_regions": int(table.crowd.sum()),
        "empty_images": int((np.diff(table.starts) == 0).sum()),
    }
