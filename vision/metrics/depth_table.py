"""Result of an evaluation of depth: means over images, rows, a table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.metrics.depth import ERRORS, DepthErrors
from vision.metrics.depth_protocol import DepthProtocol
from vision.metrics.text_table import cell, columns

Row = dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class DepthScores:
    """Result of an evaluation of depth.

    Attributes:
        images: Path of the annotation, and errors, of each image that has a valid pixel.
        skipped: Number of images without one.
        protocol: What counted.
    """

    images: Sequence[tuple[str, DepthErrors]]
    skipped: int
    protocol: DepthProtocol

    def scalars(self) -> dict[str, float]:
        """Means over images of the numbers of `vision.metrics.depth.ERRORS`."""
        return {
            name: float(np.mean([errors.values[name] for _, errors in self.images]))
            for name in ERRORS
        }

    def factors(self) -> dict[str, float]:
        """`median` of the factors of scaling, and their `spread`, relative to it.

        The spread is the standard deviation of the factors over their median, as others report it.
        """
        factors = np.array([errors.factor for _, errors in self.images])
        median = float(np.median(factors))
        spread = float(np.std(factors / median)) if median else math.nan
        return {"median": median, "spread": spread}

    def rows(self) -> list[Row]:
        """A row per image: `image`, `pixels`, `factor` and the errors."""
        return [
            {"image": name, "pixels": one.pixels, "factor": one.factor, **one.values}
            for name, one in self.images
        ]

    def table(self) -> str:
        """The means as text."""
        means = self.scalars()
        lines = columns([list(means), [cell(value) for value in means.values()]])
        if self.protocol.scale != "none":
            median, spread = self.factors().values()
            lines.append(f"factors: median {cell(median)}, relative spread {cell(spread)}")
        if self.skipped:
            lines.append(f"images without a valid pixel, left out: {self.skipped:,}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, float | int | dict[str, float | str]]:
        """The means, `images`, `skipped`, the `protocol`, and with scaling the `factors`."""
        numbers: dict[str, float | int | dict[str, float | str]] = {**self.scalars()}
        numbers |= {"images": len(self.images), "skipped": self.skipped}
        numbers["protocol"] = dict(vars(self.protocol))
        if self.protocol.scale != "none":
            numbers["factors"] = {**self.factors()}
        return numbers
