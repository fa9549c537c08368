"""Result of an evaluation by nuScenes' rules, as numbers and as text."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.annotations.nuscenes_names import CLASSES
from vision.metrics.text_table import cell, columns

# Distances of centres on the ground below which an object is found.
DISTANCES_M = (0.5, 1.0, 2.0, 4.0)
# Of what is found: position (m), size (1 - overlap), orientation (rad), velocity (m/s), attribute
# (share of wrong ones).
ERRORS = ("ATE", "ASE", "AOE", "AVE", "AAE")
# Weight of the mean AP in the score, beside 1 for each error.
_AP_WEIGHT = 5

Row = dict[str, str | int | float | None]


@dataclass(frozen=True, eq=False)
class NuScenesScores:
    """Average precision and errors of the ten classes, in the order of `CLASSES`.

    A class without objects has an AP of 0 and errors of 1, as the benchmark counts it.

    Attributes:
        ap: float64 `(10, 4)` in [0, 1], by `DISTANCES_M`.
        errors: float64 `(10, 5)` by `ERRORS`; NaN where a class has no such error.
        precision: float64 `(10, 4, 101)` at recalls 0, 0.01, ..., 1.
        objects: int64 `(10,)`, how many objects count.
        samples: Number of key frames.
    """

    ap: np.ndarray
    errors: np.ndarray
    precision: np.ndarray
    objects: np.ndarray
    samples: int

    @property
    def mean_ap(self) -> float:
        """Mean AP over distances and classes, in [0, 1]."""
        return float(self.ap.mean())

    @property
    def mean_errors(self) -> dict[str, float]:
        """Mean of each error over the classes that have it."""
        return dict(zip(ERRORS, np.nanmean(self.errors, axis=0).tolist(), strict=True))

    @property
    def nds(self) -> float:
        """The nuScenes detection score, in [0, 1]: half mean AP, half small errors."""
        small = [max(0.0, 1 - error) for error in self.mean_errors.values()]
        return (_AP_WEIGHT * self.mean_ap + sum(small)) / (_AP_WEIGHT + len(small))

    def rows(self) -> list[Row]:
        """A row for each class, as printed.

        Returns:
            Rows with `class`, `objects`, `AP`, the AP at each distance such as `AP_0.5`, and the
            errors, None where there is none.
        """
        rows = []
        for label, name in enumerate(CLASSES):
            row: Row = {"class": name, "objects": int(self.objects[label])}
            row["AP"] = float(self.ap[label].mean())
            for distance, value in zip(DISTANCES_M, self.ap[label].tolist(), strict=True):
                row[f"AP_{distance}"] = value
            for error, value in zip(ERRORS, self.errors[label].tolist(), strict=True):
                row[error] = None if np.isnan(value) else value
            rows.append(row)
        return rows

    def table(self) -> str:
        """The rows and their means as text; `-` marks errors that a class does not have."""
        rows = self.rows()
        keys = [key for key in rows[0] if key != "class"]
        body = [["", *keys], *([str(row["class"]), *(cell(row[k]) for k in keys)] for row in rows)]
        means = ["mean", str(int(self.objects.sum())), cell(self.mean_ap)]
        means += [cell(value) for value in self.ap.mean(axis=0).tolist()]
        means += [cell(value) for value in self.mean_errors.values()]
        return "\n".join([*columns([*body, means]), f"NDS {self.nds:.4f}"])

    def to_json(self) -> dict[str, Any]:
        """The numbers for a JSON file.

        Returns:
            `samples`, `NDS`, `mAP`, `errors` (the means), and `classes`, the rows.
        """
        return {
            "samples": self.samples,
            "NDS": self.nds,
            "mAP": self.mean_ap,
            "errors": self.mean_errors,
            "classes": self.rows(),
        }
