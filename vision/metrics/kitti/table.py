"""Result of an evaluation by KITTI's rules: average precision as numbers and as text.

Letters: K classes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vision.annotations.kitti_levels import LEVELS
from vision.metrics.text_table import cell, columns

METRICS = ("2d", "aos", "bev", "3d")
# Their names in logs.
LOGGED = {"2d": "AP_2D", "aos": "AOS", "bev": "AP_BEV", "3d": "AP_3D"}
# The difficulty that papers rank by.
MODERATE = 1
# Places in a curve of recalls 0, 1/40, ..., 1 whose mean is the average precision. R40 is that of
# the leaderboards since October 2019, R11 that of papers before.
RECALLS = {"R40": slice(1, None), "R11": slice(None, None, 4)}

Row = dict[str, str | float | None]


@dataclass(frozen=True, eq=False)
class KittiScores:
    """Average precision of K classes at three difficulties. Scores are in [0, 1].

    AP of a class and difficulty without objects is NaN, and so is the orientation similarity of
    predictions that have no orientation.

    Attributes:
        classes: Names of the classes.
        min_overlaps: float64 `(2, 4, K)`, the two sets of minimum overlaps, by `METRICS`.
        curves: float64 `(2, 4, K, 3, 41)`, precision (of `aos`: orientation similarity) of each set
            of overlaps, metric, class and difficulty at recalls 0, 1/40, ..., 1.
        objects: int64 `(K, 3)`, how many objects count.
        images: How many images were evaluated.
    """

    classes: tuple[str, ...]
    min_overlaps: np.ndarray
    curves: np.ndarray
    objects: np.ndarray
    images: int

    @cached_property
    def ap(self) -> dict[str, np.ndarray]:
        """Average precision by the recalls of `RECALLS`, each float64 `(2, 4, K, 3)`."""
        means = {name: self.curves[..., chosen].mean(axis=-1) for name, chosen in RECALLS.items()}
        return {name: np.where(self.objects > 0, mean, np.nan) for name, mean in means.items()}

    def scalars(self) -> dict[str, float]:
        """The means over 40 recalls for a log.

        Returns:
            Of the first class, at moderate difficulty, by `AP_2D`, `AOS`, `AP_BEV` and `AP_3D`, the
            latter also for `_easy` and `_hard`, and with the smaller minimum overlap in percent,
            such as `AP_3D_50`. Those of further classes end in their names: `AP_3D_Cyclist`.
        """
        numbers: dict[str, float] = {}
        for k, name in enumerate(self.classes):
            ending = f"_{name}" if k else ""
            strict, loose = self.ap["R40"][:, :, k]
            smaller = self.min_overlaps[1, :, k]
            for m, metric in enumerate(METRICS):
                numbers[f"{LOGGED[metric]}{ending}"] = float(strict[m, MODERATE])
                if smaller[m] < self.min_overlaps[0, m, k]:
                    numbers[f"{LOGGED[metric]}_{100 * smaller[m]:.0f}{ending}"] = float(
                        loose[m, MODERATE]
                    )
            for n in {*range(len(LEVELS))} - {MODERATE}:
                own = f"AP_3D_{LEVELS[n].name}{ending}"
                numbers[own] = float(strict[METRICS.index("3d"), n])
        return numbers

    def rows(self) -> list[Row]:
        """A row for each class, metric, minimum overlap and kind of mean.

        Returns:
            Rows with `class`, `metric`, `overlap`, `recalls`, and the AP of `easy`, `moderate` and
            `hard`, None where there is none. Both sets of overlaps have the same in the image.
        """
        rows = []
        for k, name in enumerate(self.classes):
            for m, metric in enumerate(METRICS):
                overlaps = self.min_overlaps[:, m, k].tolist()
                for number in range(1 if overlaps[0] == overlaps[1] else 2):
                    for recalls, means in self.ap.items():
                        place: Row = {"class": name, "metric": metric, "overlap": overlaps[number]}
                        rows.append({**place, "recalls": recalls} | _levels(means[number, m, k]))
        return rows

    def table(self) -> str:
        """The means over 40 recalls as text; `-` marks undefined values."""
        names = [level.name for level in LEVELS]
        body = [
            [
                *(str(row[key]) for key in ("class", "metric")),
                f"{row['overlap']:.2f}",
                *(cell(row[name]) for name in names),
            ]
            for row in self.rows()
            if row["recalls"] == "R40"
        ]
        return "\n".join(columns([["", "metric", "overlap", *names], *body]))

    def to_json(self) -> dict[str, Any]:
        """The numbers for a JSON file.

        Returns:
            `images`; `objects`, by class and difficulty; and `ap`, the rows.
        """
        counts = {
            name: dict(zip((level.name for level in LEVELS), self.objects[k].tolist(), strict=True))
            for k, name in enumerate(self.classes)
        }
        return {"images": self.images, "objects": counts, "ap": self.rows()}


def _levels(values: np.ndarray) -> Row:
    known = [None if np.isnan(value) else float(value) for value in values]
    return dict(zip((level.name for level in LEVELS), known, strict=True))
