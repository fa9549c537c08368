"""Result of an evaluation of panoptic segmentation: scores and tables."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vision.metrics.text_table import cell, columns

Row = dict[str, int | float | str | None]
# Keys of the scores.
SCORES = ("PQ", "SQ", "RQ")


@dataclass(frozen=True, eq=False)
class PanopticScores:
    """Result of an evaluation of panoptic segmentation of K categories. Scores are in [0, 1].

    PQ = SQ x RQ. A category that is in no annotation and in no prediction has none (NaN) and is in
    no mean.

    Attributes:
        iou_sum: float64 `(K,)`, sum of the IoU of matched segments.
        true_positives: int64 `(K,)`, matched segments.
        false_positives: int64 `(K,)`, predicted segments without a match.
        false_negatives: int64 `(K,)`, annotated segments without a match.
        things: bool `(K,)`; the others are stuff.
        ids: int64 `(K,)`, ids of the categories.
        names: K names.
        images: Number of images that were evaluated.
    """

    iou_sum: np.ndarray
    true_positives: np.ndarray
    false_positives: np.ndarray
    false_negatives: np.ndarray
    things: np.ndarray
    ids: np.ndarray
    names: tuple[str, ...]
    images: int = 0

    @cached_property
    def pq(self) -> np.ndarray:
        """float64 `(K,)`, panoptic quality: the sum of IoU over TP + FP / 2 + FN / 2."""
        return _ratio(self.iou_sum, self._weight)

    @cached_property
    def sq(self) -> np.ndarray:
        """float64 `(K,)`, segmentation quality: mean IoU of matches; 0 where none matches."""
        quality = _ratio(self.iou_sum, self.true_positives)
        return np.where((self._weight > 0) & (self.true_positives == 0), 0.0, quality)

    @cached_property
    def rq(self) -> np.ndarray:
        """float64 `(K,)`, recognition quality, which is the F1 score of the matches."""
        return _ratio(self.true_positives, self._weight)

    @property
    def _weight(self) -> np.ndarray:
        return self.true_positives + (self.false_positives + self.false_negatives) / 2

    def groups(self) -> dict[str, dict[str, float | int]]:
        """Means over all categories, things and stuff.

        Returns:
            For each of `all`, `things`, `stuff`: `PQ`, `SQ`, `RQ`, and `categories`, how many are
            in the means; NaN where there are none.
        """
        groups = {"all": np.ones_like(self.things), "things": self.things, "stuff": ~self.things}
        scores = dict(zip(SCORES, (self.pq, self.sq, self.rq), strict=True))
        means: dict[str, dict[str, float | int]] = {}
        for group, chosen in groups.items():
            seen = chosen & (self._weight > 0)
            means[group] = {
                name: float(values[seen].mean()) if seen.any() else math.nan
                for name, values in scores.items()
            }
            means[group]["categories"] = int(seen.sum())
        return means

    def scalars(self) -> dict[str, float]:
        """The numbers of all categories together by the names they are logged under.

        Returns:
            `PQ`, `SQ`, `RQ`, `PQ_things`, `PQ_stuff`; NaN where there are no categories.
        """
        means = self.groups()
        numbers = {name: means["all"][name] for name in SCORES}
        return numbers | {f"PQ_{group}": means[group]["PQ"] for group in ("things", "stuff")}

    def rows(self) -> list[Row]:
        """One row per category, for a table with these columns.

        Returns:
            Rows with `id`, `name`, `isthing`, `PQ`, `SQ`, `RQ`, `TP`, `FP`, `FN`. Scores of a
            category that is nowhere are None.
        """
        return [
            {
                "id": int(self.ids[k]),
                "name": name,
                "isthing": int(self.things[k]),
                "PQ": _known(self.pq[k]),
                "SQ": _known(self.sq[k]),
                "RQ": _known(self.rq[k]),
                "TP": int(self.true_positives[k]),
                "FP": int(self.false_positives[k]),
                "FN": int(self.false_negatives[k]),
            }
            for k, name in enumerate(self.names)
        ]

    def table(self) -> str:
        """The means as text; `-` marks undefined values."""
        header = ["", *SCORES, "categories"]
        return "\n".join(
            columns([header, *([name, *map(cell, row.values())] for name, row in self._groups)])
        )

    def category_table(self) -> str:
        """A line per category as text, the best first and those that are nowhere last."""
        rows = sorted(self.rows(), key=lambda row: -1 if row["PQ"] is None else row["PQ"])
        header = ["name", "isthing", *SCORES, "TP", "FP", "FN"]
        return "\n".join(
            columns([header, *([cell(row[name]) for name in header] for row in reversed(rows))])
        )

    def to_json(self) -> dict[str, dict[str, float | int | None] | list[Row]]:
        """The numbers for a JSON file.

        Returns:
            `all`, `things` and `stuff` as in `groups`, with None in place of NaN, and `per_class`,
            the rows.
        """
        means = {
            group: {name: _known(value) for name, value in row.items()}
            for group, row in self.groups().items()
        }
        return {**means, "per_class": self.rows()}

    @property
    def _groups(self) -> list[tuple[str, dict[str, float | int]]]:
        return list(self.groups().items())


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    nothing = np.full(part.shape, np.nan)
    return np.divide(part, whole, out=nothing, where=whole > 0)


def _known(value: float) -> float | int | None:
    if isinstance(value, int):
        return value
    return None if math.isnan(value) else float(value)
