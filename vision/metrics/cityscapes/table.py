"""Result of Cityscapes' evaluation of instances: as scalars, as text and per class."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vision.metrics.text_table import Value, mean_table


class CityscapesRow(NamedTuple):
    """A class.

    Attributes:
        name: Its name.
        objects: Single objects of at least 100 pixels.
        ignored: Groups, and smaller objects.
        predictions: Detections that have a pixel.
        ap: Average precision at the ten overlaps, each in [0, 1], or NaN without objects.
    """

    name: str
    objects: int
    ignored: int
    predictions: int
    ap: tuple[float, ...]


@dataclass(frozen=True)
class CityscapesResult:
    """Average precision of instances by the rules of Cityscapes' scripts.

    Attributes:
        rows: One per class.
        images: Number of images that were evaluated.
    """

    rows: tuple[CityscapesRow, ...]
    images: int

    def scalars(self) -> dict[str, float]:
        """The means over the classes with objects, `AP` and `AP50`; NaN without any."""
        known = [row.ap for row in self.rows if row.objects]
        if not known:
            return {"AP": math.nan, "AP50": math.nan}
        return {"AP": float(np.mean(known)), "AP50": float(np.mean([ap[0] for ap in known]))}

    def classes(self) -> list[dict[str, Value]]:
        """A row per class; None for a class without objects."""
        return [
            {
                "class": row.name,
                "objects": row.objects,
                "ignored": row.ignored,
                "predictions": row.predictions,
                "AP": float(np.mean(row.ap)) if row.objects else None,
                "AP50": row.ap[0] if row.objects else None,
            }
            for row in self.rows
        ]

    def table(self) -> str:
        """The classes and the means as text; `-` marks undefined values."""
        return mean_table(self.classes(), ("objects", "ignored", "predictions"), self.scalars())

    def to_json(self) -> dict[str, Any]:
        """The means (None without objects), `images`, and `per_class`, the rows."""
        means = {
            name: None if math.isnan(value) else value for name, value in self.scalars().items()
        }
        return {**means, "images": self.images, "per_class": self.classes()}
