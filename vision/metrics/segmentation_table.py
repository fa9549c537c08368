"""Result of an evaluation of semantic segmentation: areas, scores and tables."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from vision.metrics.text_table import cell, columns

Row = dict[str, int | float | str | None]
_SHOWN = {"IoU": "IoU", "Acc": "Acc", "BoundaryIoU": "boundary IoU", "share": "share"}


class Areas(NamedTuple):
    """Pixels of each class, summed over all images.

    Attributes:
        intersection: int64 `(K,)` where prediction and target agree on the class.
        union: int64 `(K,)` where either has it.
        predicted: int64 `(K,)` where the prediction has it.
        labelled: int64 `(K,)` where the target has it.
    """

    intersection: np.ndarray
    union: np.ndarray
    predicted: np.ndarray
    labelled: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """float64 `(K,)`, intersection over union; NaN for a class that is in neither map."""
        return _ratio(self.intersection, self.union)


@dataclass(frozen=True, eq=False)
class SegmentationScores:
    """Result of an evaluation of semantic segmentation. All scores are fractions in [0, 1].

    Attributes:
        confusion: int64 `(K, K)` pixels, in row i and column j the pixels of class i that are
            predicted as class j; ignored ones are left out.
        boundary_pairs: int64 `(256, 256)` likewise of the labels in boundary regions, where 255
            means outside of them; None if they were not counted.
        class_names: Name of each class, or None.
        images: Number of images that were evaluated.
    """

    confusion: np.ndarray
    boundary_pairs: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    images: int = 0

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.confusion)

    @cached_property
    def areas(self) -> Areas:
        """Pixels of each class, as in mmsegmentation's `IoUMetric`."""
        return _areas(self.confusion, self.num_classes)

    @cached_property
    def boundary_areas(self) -> Areas | None:
        """Pixels of each class in its boundary regions, or None."""
        if self.boundary_pairs is None:
            return None
        return _areas(self.boundary_pairs, self.num_classes)

    @property
    def iou(self) -> np.ndarray:
        """float64 `(K,)`; NaN for a class that is neither predicted nor labelled anywhere."""
        return self.areas.iou

    @property
    def accuracy(self) -> np.ndarray:
        """float64 `(K,)`, share of a class's pixels that are found; NaN if it has none."""
        return _ratio(self.areas.intersection, self.areas.labelled)

    @property
    def boundary_iou(self) -> np.ndarray | None:
        """float64 `(K,)`, NaN for a class that is in neither map; None if it was not counted."""
        return None if self.boundary_areas is None else self.boundary_areas.iou

    @property
    def share(self) -> np.ndarray:
        """float64 `(K,)`, share of each class in the pixels that count; NaN if there are none."""
        labelled = self.areas.labelled
        return _ratio(labelled, np.full_like(labelled, labelled.sum()))

    @property
    def mIoU(self) -> float:  # noqa: N802, the field's own name
        """Mean IoU of the classes that are predicted or labelled anywhere."""
        return _mean(self.iou)

    @property
    def mAcc(self) -> float:  # noqa: N802, the field's own name
        """Mean accuracy of the classes that are labelled anywhere."""
        return _mean(self.accuracy)

    @property
    def aAcc(self) -> float:  # noqa: N802, the field's own name
        """Share of all pixels that are right."""
        pixels = int(self.confusion.sum())
        return int(self.areas.intersection.sum()) / pixels if pixels else math.nan

    @property
    def mBIoU(self) -> float | None:  # noqa: N802, after mIoU
        """Mean boundary IoU of the classes that are predicted or labelled anywhere, or None."""
        return None if self.boundary_iou is None else _mean(self.boundary_iou)

    def scalars(self) -> dict[str, float]:
        """The numbers of all classes together by the names they are logged under.

        Returns:
            `mIoU`, `mAcc`, `aAcc`, and `mBIoU` if it was counted; NaN where no pixel counts.
        """
        numbers = {"mIoU": self.mIoU, "mAcc": self.mAcc, "aAcc": self.aAcc}
        return numbers if self.mBIoU is None else numbers | {"mBIoU": self.mBIoU}

    def rows(self) -> list[Row]:
        """One row per class, for a table with these columns.

        Returns:
            Rows with `class`, `name`, `IoU`, `Acc`, `BoundaryIoU` if it was counted, `share`, and
            the areas in pixels `intersection`, `union`, `predicted`, `labelled`. Undefined values
            are None; without class names, the name is the index.
        """
        numbers = {"IoU": self.iou, "Acc": self.accuracy}
        if self.boundary_iou is not None:
            numbers["BoundaryIoU"] = self.boundary_iou
        by_name: dict[str, list] = {
            "class": list(range(self.num_classes)),
            "name": list(self.class_names or map(str, range(self.num_classes))),
            **{name: _known(values) for name, values in (numbers | {"share": self.share}).items()},
            **{name: values.tolist() for name, values in self.areas._asdict().items()},
        }
        return [dict(zip(by_name, row, strict=True)) for row in zip(*by_name.values(), strict=True)]

    def table(self) -> str:
        """The rows as text, and the means below them; `-` marks undefined values."""
        numbers = self.rows()
        means: Row = {
            "name": "mean",
            "IoU": self.mIoU,
            "Acc": self.mAcc,
            "BoundaryIoU": self.mBIoU,
            "share": "",
        }
        names = ["name", *(name for name in _SHOWN if name in numbers[0])]
        cells = [["class", *(_SHOWN[name] for name in names[1:])]]
        cells += [[cell(row[name]) for name in names] for row in [*numbers, means]]
        lines = columns(cells)
        rule = "-" * max(map(len, lines))
        right = f"aAcc {cell(self.aAcc)} of {int(self.confusion.sum()):,} pixels"
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], right])

    def to_json(self) -> dict[str, float | list[float | None] | dict[str, float | None] | None]:
        """The numbers for a JSON file.

        Returns:
            `mIoU`, `mAcc`, `aAcc` and per class `IoU`, `Acc`; with boundaries `mBIoU` and
            `BoundaryIoU`. Per class means by name if each class has a name of its own, and else a
            list in the order of the classes. A class without pixels has None.
        """
        means = {name: _known([value])[0] for name, value in self.scalars().items()}
        classes = {"IoU": self.iou, "Acc": self.accuracy}
        if self.boundary_iou is not None:
            classes["BoundaryIoU"] = self.boundary_iou
        return {**means, **{name: self._by_class(values) for name, values in classes.items()}}

    def _by_class(self, values: np.ndarray) -> list[float | None] | dict[str, float | None]:
        known, names = _known(values), self.class_names
        if names is None or len(set(names)) < len(names):
            return known
        return dict(zip(names, known, strict=True))


def _areas(pairs: np.ndarray, num_classes: int) -> Areas:
    intersection = pairs.diagonal()[:num_classes].copy()
    labelled, predicted = pairs.sum(1)[:num_classes], pairs.sum(0)[:num_classes]
    return Areas(intersection, labelled + predicted - intersection, predicted, labelled)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    nothing = np.full(part.shape, np.nan)
    return np.divide(part, whole, out=nothing, where=whole > 0)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _known(values: Iterable[float]) -> list[float | None]:
    return [None if math.isnan(value) else float(value) for value in values]
