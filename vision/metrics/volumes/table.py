"""Result of an evaluation of volumes: means over subjects, rows, a table.

Letters: N subjects, K regions or classes without the background.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.metrics.text_table import cell, columns
from vision.metrics.volumes.dice import Empty

Row = dict[str, int | float | str | None]
# Names of the numbers of a region in the columns of a table.
_HEADERS = {"HD95": "HD95 mm", "ASD": "ASD mm", "VolumeError": "volume error ml"}


@dataclass(frozen=True, eq=False)
class VolumeScores:
    """Result of an evaluation of volumes. NaN is a value that is left out of the means.

    Attributes:
        names: K names of the regions or classes.
        subjects: N names, in order.
        dice: float64 `(N, K)`, in [0, 1].
        found_ml: float64 `(N, K)`, millilitres of the prediction.
        truth_ml: float64 `(N, K)`, millilitres of the truth.
        hd95: float64 `(N, K)`, 95 % Hausdorff distance in mm; None if it was not measured.
        asd: float64 `(N, K)`, symmetric average surface distance in mm, likewise.
        empty: How a region that is empty in the truth counted.
    """

    names: tuple[str, ...]
    subjects: tuple[str, ...]
    dice: np.ndarray
    found_ml: np.ndarray
    truth_ml: np.ndarray
    hd95: np.ndarray | None = None
    asd: np.ndarray | None = None
    empty: Empty = "skip"

    @property
    def error_ml(self) -> np.ndarray:
        """float64 `(N, K)`, millilitres that the prediction has more than the truth."""
        return self.found_ml - self.truth_ml

    @property
    def missed(self) -> np.ndarray:
        """int64 `(K,)`, subjects that have the region and no cell of it in the prediction."""
        return ((self.truth_ml > 0) & (self.found_ml == 0)).sum(0)

    @property
    def invented(self) -> np.ndarray:
        """int64 `(K,)`, subjects that do not have the region but cells of it in the prediction."""
        return ((self.truth_ml == 0) & (self.found_ml > 0)).sum(0)

    def scalars(self) -> dict[str, float]:
        """The numbers by the names they are logged under.

        Returns:
            `Dice` and, if they were measured, `HD95` and `ASD` in mm, and `VolumeError`, the mean
            of the absolute errors in ml: each the mean over regions of the means over subjects, and
            of each region by its name, such as `Dice_TC`. NaN where no subject counts.
        """
        numbers: dict[str, float] = {}
        for metric, values in self._metrics().items():
            means = [_mean(column) for column in values.T]
            numbers[metric] = _mean(np.array(means))
            named = zip(self.names, means, strict=True)
            numbers |= {f"{metric}_{name}": value for name, value in named}
        return numbers

    def rows(self) -> list[Row]:
        """One row per subject, for a table with these columns.

        Returns:
            Rows with `subject`, `Dice`, the mean of its regions, and for each region its `Dice_*`,
            `HD95_*`, `ASD_*`, `found_ml_*` and `truth_ml_*`. Values that are left out are None.
        """
        columns = {"Dice": self.dice, "HD95": self.hd95, "ASD": self.asd}
        columns |= {"found_ml": self.found_ml, "truth_ml": self.truth_ml}
        rows: list[Row] = []
        for n, subject in enumerate(self.subjects):
            row: Row = {"subject": subject, "Dice": _known(_mean(self.dice[n]))}
            for metric, values in columns.items():
                if values is not None:
                    named = zip(self.names, values[n], strict=True)
                    row |= {f"{metric}_{name}": _known(value) for name, value in named}
            rows.append(row)
        return rows

    def regions(self) -> list[Row]:
        """One row per region, for a table with these columns.

        Returns:
            Rows with `name`, the means over subjects of `Dice`, `HD95`, `ASD` and `VolumeError`,
            and the numbers of subjects: `labelled` have the region, of which `missed` have no cell
            of it in the prediction; `invented` do not have it but cells of it in the prediction.
        """
        metrics = self._metrics()
        return [
            {
                "name": name,
                **{metric: _known(_mean(values[:, k])) for metric, values in metrics.items()},
                "labelled": int((self.truth_ml[:, k] > 0).sum()),
                "missed": int(self.missed[k]),
                "invented": int(self.invented[k]),
            }
            for k, name in enumerate(self.names)
        ]

    def table(self) -> str:
        """The rows of regions as text, and the means below them; `-` marks what was left out."""
        rows, scalars = self.regions(), self.scalars()
        means: Row = {name: scalars.get(name, "") for name in rows[0]}
        means["name"] = "mean"
        header = ["region", *(_HEADERS.get(name, name) for name in list(rows[0])[1:])]
        cells = [[cell(value) for value in row.values()] for row in [*rows, means]]
        lines = columns([header, *cells])
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def to_json(self) -> dict[str, float | int | str | Sequence[Row] | None]:
        """The numbers for a JSON file.

        Returns:
            `Dice`, `HD95`, `ASD`, `VolumeError`, the number of `subjects`, how an `empty` truth
            counted, and `regions`, the rows. A mean of nothing is None.
        """
        scalars = self.scalars()
        return {
            **{name: _known(scalars[name]) for name in self._metrics()},
            "subjects": len(self.subjects),
            "empty": self.empty,
            "regions": self.regions(),
        }

    def _metrics(self) -> dict[str, np.ndarray]:
        """Float64 `(N, K)` of each metric, by name."""
        found = {"Dice": self.dice, "HD95": self.hd95, "ASD": self.asd}
        found["VolumeError"] = np.abs(self.error_ml)
        return {name: values for name, values in found.items() if values is not None}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
