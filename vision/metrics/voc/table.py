"""Result of an evaluation by Pascal VOC's rules: as scalars, as text and per class."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vision.metrics.text_table import Value, mean_table


class VocRow(NamedTuple):
    """A class. Average precision is in [0, 1], or NaN without objects that count.

    Attributes:
        name: Its name.
        objects: Objects that are not difficult.
        difficult: Objects that are.
        predictions: Detections.
        ap_2007: Average precision at 11 recalls.
        ap_2010: Average precision as an area.
    """

    name: str
    objects: int
    difficult: int
    predictions: int
    ap_2007: float
    ap_2010: float


@dataclass(frozen=True)
class VocResult:
    """Average precision at an IoU of 0.5 by Pascal VOC's rules.

    Attributes:
        rows: One per class.
        images: Number of images that were evaluated.
    """

    rows: tuple[VocRow, ...]
    images: int

    def scalars(self) -> dict[str, float]:
        """The means over the classes with objects, `AP_2007` and `AP_2010`; -1 without any."""
        known = [row for row in self.rows if row.objects]
        return {
            "AP_2007": float(np.mean([row.ap_2007 for row in known])) if known else -1.0,
            "AP_2010": float(np.mean([row.ap_2010 for row in known])) if known else -1.0,
        }

    def classes(self) -> list[dict[str, Value]]:
        """A row per class; None for a class without objects."""
        return [
            {
                "class": row.name,
                "objects": row.objects,
                "difficult": row.difficult,
                "predictions": row.predictions,
                "AP_2007": row.ap_2007 if row.objects else None,
                "AP_2010": row.ap_2010 if row.objects else None,
            }
            for row in self.rows
        ]

    def table(self) -> str:
        """The classes and the means as text; `-` marks undefined values."""
        means = {name: value if value >= 0 else None for name, value in self.scalars().items()}
        return mean_table(self.classes(), ("objects", "difficult", "predictions"), means)

    def to_json(self) -> dict[str, Any]:
        """The means, `images`, and `per_class`, the rows."""
        return {**self.scalars(), "images": self.images, "per_class": self.classes()}
