"""Result of an evaluation of point clouds: scores of classes and of rooms.

Letters: K classes, R rooms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.metrics.segmentation_table import Row, SegmentationScores
from vision.metrics.text_table import cell, columns


@dataclass(frozen=True, eq=False)
class PointScores:
    """Result of an evaluation of point clouds. All scores are fractions in [0, 1].

    Attributes:
        confusion: int64 `(K, K)` points of all rooms, in row i and column j the points of class i
            that are predicted as class j; ignored ones are left out.
        rooms: Names of the rooms.
        areas: int64 `(R, 3, K)` points of each room and class: right ones, those that are predicted
            as the class, and those that have it.
        class_names: Name of each class, or None.
    """

    confusion: np.ndarray
    rooms: tuple[str, ...]
    areas: np.ndarray
    class_names: tuple[str, ...] | None = None

    @cached_property
    def whole(self) -> SegmentationScores:
        """The numbers over the points of all rooms, as those of pixels."""
        return SegmentationScores(confusion=self.confusion, class_names=self.class_names)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.confusion)

    @property
    def iou(self) -> np.ndarray:
        """float64 `(K,)`; NaN for a class that is neither predicted nor labelled anywhere."""
        return self.whole.iou

    @property
    def mIoU(self) -> float:  # noqa: N802, the field's own name
        """Mean IoU of the classes that are predicted or labelled anywhere."""
        return self.whole.mIoU

    @property
    def mAcc(self) -> float:  # noqa: N802, the field's own name
        """Mean accuracy of the classes that are labelled anywhere."""
        return self.whole.mAcc

    @property
    def OA(self) -> float:  # noqa: N802, the field's own name
        """Overall accuracy: the share of all points that are right."""
        return self.whole.aAcc

    @cached_property
    def room_iou(self) -> np.ndarray:
        """float64 `(R, K)`, of each room by itself; NaN for a class that is not in it."""
        right, predicted, labelled = np.moveaxis(self.areas, 1, 0)
        union = predicted + labelled - right
        return np.divide(right, union, out=np.full(union.shape, math.nan), where=union > 0)

    def scalars(self) -> dict[str, float]:
        """The numbers by the names they are logged under: `mIoU`, `mAcc` and `OA`."""
        return {"mIoU": self.mIoU, "mAcc": self.mAcc, "OA": self.OA}

    def rows(self) -> list[Row]:
        """One row per class: the columns of `SegmentationScores.rows`, in points."""
        return self.whole.rows()

    def room_rows(self) -> list[Row]:
        """One row per room, for a table with these columns.

        Returns:
            Rows with `room`, its `points` that count, `mIoU` over the classes that are in it or its
            prediction, `OA`, and the `IoU_*` of each class by its name; None where there is none.
        """
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        rows: list[Row] = []
        for name, areas, iou in zip(self.rooms, self.areas, self.room_iou, strict=True):
            points = int(areas[2].sum())
            known = iou[~np.isnan(iou)]
            row: Row = {
                "room": name,
                "points": points,
                "mIoU": float(known.mean()) if len(known) else None,
                "OA": int(areas[0].sum()) / points if points else None,
            }
            named = zip(names, iou.tolist(), strict=True)
            rows.append(row | {f"IoU_{k}": None if math.isnan(v) else v for k, v in named})
        return rows

    def table(self) -> str:
        """The classes as text, and the means below them; `-` marks undefined values."""
        keys = {"name": "class", "IoU": "IoU", "Acc": "Acc", "share": "share"}
        means: Row = {"name": "mean", "IoU": self.mIoU, "Acc": self.mAcc, "share": ""}
        lines = columns([[*keys.values()], *_cells([*self.rows(), means], [*keys])])
        rule = "-" * max(map(len, lines))
        points = f"OA {cell(self.OA)} of {int(self.confusion.sum()):,} points"
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], points])

    def to_json(self) -> dict[str, object]:
        """The numbers for a JSON file.

        Returns:
            `mIoU`, `mAcc`, `OA`, per class `IoU` and `Acc`, by name if each class has a name of its
            own and else in a list, and `rooms`, the rows. A value of nothing is None.
        """
        by_class = self.whole.to_json()
        by_class["OA"] = by_class.pop("aAcc")
        return {**by_class, "rooms": self.room_rows()}


def _cells(rows: Sequence[Row], keys: Sequence[str]) -> list[list[str]]:
    return [[cell(row[key]) for key in keys] for row in rows]
