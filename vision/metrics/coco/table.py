"""Result of a COCO evaluation: the twelve numbers, as scalars, as text and per category."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Name of a number in a log, by kind of overlap.
PREFIXES = {"bbox": "box", "segm": "mask"}
# Of the twelve numbers in pycocotools' order: name, threshold of the overlap, area, most results.
_TWELVE = (
    ("AP", "0.50:0.95", "all", 100),
    ("AP50", "0.50", "all", 100),
    ("AP75", "0.75", "all", 100),
    ("AP_small", "0.50:0.95", "small", 100),
    ("AP_medium", "0.50:0.95", "medium", 100),
    ("AP_large", "0.50:0.95", "large", 100),
    ("AR1", "0.50:0.95", "all", 1),
    ("AR10", "0.50:0.95", "all", 10),
    ("AR100", "0.50:0.95", "all", 100),
    ("AR_small", "0.50:0.95", "small", 100),
    ("AR_medium", "0.50:0.95", "medium", 100),
    ("AR_large", "0.50:0.95", "large", 100),
)
NAMES = tuple(row[0] for row in _TWELVE)
_AREAS = ("all", "small", "medium", "large")
_MAX = (1, 10, 100)
_THRESHOLDS = {"0.50:0.95": slice(None), "0.50": slice(0, 1), "0.75": slice(5, 6)}
_WORDS = {"AP": ("Average Precision", "(AP)"), "AR": ("Average Recall", "(AR)")}


class CategoryRow(NamedTuple):
    """One category of the ground truth.

    Attributes:
        id: Number of the category in the dataset.
        name: Its name.
        objects: Objects in the images that were evaluated, without crowds.
        crowds: Crowd regions in them.
        predictions: Results for this category.
        scores: Per kind, AP and AP50, each in [0, 1], or -1 for a category without objects.
    """

    id: int
    name: str
    objects: int
    crowds: int
    predictions: int
    scores: dict[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class CocoResult:
    """Result of an evaluation by COCO's rules.

    Attributes:
        stats: Per kind, `"bbox"` or `"segm"`, the float64 `(12,)` numbers in the order of
            pycocotools: each in [0, 1], or -1 where there are no objects to find.
        rows: One row per category, by its number.
        images: Number of images that were evaluated.
        seconds: Time that the evaluation took.
        backend: The library that matched results with objects.
    """

    stats: dict[str, np.ndarray]
    rows: tuple[CategoryRow, ...] = ()
    images: int = 0
    seconds: float = 0.0
    backend: str = "faster_coco_eval"

    def scalars(self) -> dict[str, float]:
        """The numbers by the names they are logged under, such as `box_AP` and `mask_AP50`."""
        return {
            f"{PREFIXES[kind]}_{name}": float(value)
            for kind, stats in self.stats.items()
            for name, value in zip(NAMES, stats, strict=True)
        }

    def table(self, kind: str) -> str:
        """The twelve lines that `COCOeval.summarize` of pycocotools prints, for one kind."""
        lines = []
        for (name, threshold, area, maximum), value in zip(_TWELVE, self.stats[kind], strict=True):
            title, short = _WORDS[name[:2]]
            lines.append(
                f" {title:<18} {short} @[ IoU={threshold:<9} | area={area:>6s} |"
                f" maxDets={maximum:>3d} ] = {value:0.3f}"
            )
        return "\n".join(lines)

    def categories(self) -> list[dict[str, int | float | str]]:
        """One row per category, for a table with these columns.

        Returns:
            Rows with `id`, `name`, `objects`, `crowds`, `predictions`, and `box_AP`, `box_AP50`,
            `mask_AP`, `mask_AP50` for the kinds that were evaluated.
        """
        return [
            {
                "id": row.id,
                "name": row.name,
                "objects": row.objects,
                "crowds": row.crowds,
                "predictions": row.predictions,
                **{
                    f"{PREFIXES[kind]}_{name}": value
                    for kind, pair in row.scores.items()
                    for name, value in zip(("AP", "AP50"), pair, strict=True)
                },
            }
            for row in self.rows
        ]

    def category_table(self) -> str:
        """The rows of `categories` as text, the worst category last and those without objects."""
        rows = sorted(self.categories(), key=lambda row: -float(row.get(_sorting(row), 0)))
        if not rows:
            return ""
        names = list(rows[0])
        cells = [names, *([_cell(row[name]) for name in names] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if name == "name" else cell.rjust(width)
                for name, cell, width in zip(names, row, widths, strict=True)
            ).rstrip()
            for row in cells
        )

    def to_json(self) -> dict[str, list[float]]:
        """Per kind, the twelve numbers as a list."""
        return {kind: stats.tolist() for kind, stats in self.stats.items()}


def summarize(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Compute the twelve numbers from accumulated values, as `COCOeval.summarize` does.

    Args:
        precision: float64 `(T, R, K, 4, 3)`: 10 thresholds, 101 recalls, category, area, most
            results; -1 where there are no objects.
        recall: float64 `(T, K, 4, 3)`, likewise.

    Returns:
        float64 `(12,)`.
    """
    values = []
    for name, threshold, area, maximum in _TWELVE:
        # Lists keep the axes: sums then run over memory in the order of pycocotools, to the bit.
        place = [_AREAS.index(area)], [_MAX.index(maximum)]
        source = precision if name.startswith("AP") else recall
        values.append(_mean(source[_THRESHOLDS[threshold]][..., *place]))
    return np.array(values)


def category_scores(precision: np.ndarray) -> list[tuple[float, float]]:
    """AP and AP50 of each category from `precision` as in `summarize`."""
    everything = precision[:, :, :, 0, -1]
    return [
        (_mean(everything[:, :, k]), _mean(everything[0, :, k])) for k in range(precision.shape[2])
    ]


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(np.mean(known)) if len(known) else -1.0


def _sorting(row: dict[str, int | float | str]) -> str:
    return "box_AP" if "box_AP" in row else "mask_AP"


def _cell(value: int | float | str) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
