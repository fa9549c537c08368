"""Suspicious entries of a detection dataset: repeated files, boxes that do not fit outlines."""

from collections.abc import Iterator

import numpy as np

from vision.annotations.coco import namer
from vision.data.formats.coco import CheckedFile
from vision.data.index.detection import DetectionIndex

# A box disagrees with its outline if they overlap by less than this, and a side is off by more
# pixels than rounding explains.
MIN_OVERLAP, MAX_OFF_PX = 0.5, 2.0


def problems_of_file(checked: CheckedFile, where: str) -> Iterator[str]:
    """All problems of a file in COCO's format.

    Args:
        checked: The result of the check of its annotations.
        where: What messages call it, as in errors about the whole file.
    """
    found = [*checked.problems]
    if checked.readable is not None:
        found += [*files_twice(checked.readable), *boxes_beside_outlines(checked.readable)]
    yield from (text if where in text else f"{where}: {text}" for text in found)


def files_twice(index: DetectionIndex) -> Iterator[str]:
    """A line for each image file that several entries name.

    Args:
        index: The dataset.
    """
    owners: dict[str, int] = {}
    for number, name in zip(index.image_ids.tolist(), index.paths, strict=True):
        if owners.setdefault(name, number) != number:
            yield f"images {owners[name]} and {number} have the same file '{name}'"


def boxes_beside_outlines(index: DetectionIndex) -> Iterator[str]:
    """A line for each object whose box does not fit its outline.

    Args:
        index: The dataset.
    """
    if not index.has_masks:
        return
    images = np.repeat(np.arange(len(index)), np.diff(index.starts))
    limits = np.tile(index.sizes[images, ::-1], 2).astype(np.float64)
    extents = np.clip(index.segments.extents(), 0, limits)
    boxes = index.boxes.astype(np.float64)
    overlap = _overlap(boxes, extents)
    off = np.abs(boxes - extents).max(axis=1)
    name = namer(index.annotation_ids, index.image_ids[images])
    # Objects without an outline have NaN, and are not among them.
    for row in np.flatnonzero((overlap < MIN_OVERLAP) & (off > MAX_OFF_PX)).tolist():
        yield (
            f"{name(row)}: its box {_rounded(boxes[row])} and its outline, which fills "
            f"{_rounded(extents[row])} (x1, y1, x2, y2), overlap by {overlap[row]:.0%}"
        )


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes xyxy, row by row."""
    low, high = np.maximum(one[:, :2], other[:, :2]), np.minimum(one[:, 2:], other[:, 2:])
    common = (high - low).clip(min=0).prod(axis=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (one, other)]
    return common / np.maximum(areas[0] + areas[1] - common, 1e-9)


def _rounded(box: np.ndarray) -> list[float]:
    return [float(round(x, 1)) for x in box.tolist()]
