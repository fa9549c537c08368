"""Result of a COCO evaluation: its numbers, as scalars, as text and per category."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Name of a number in a log, by kind of overlap.
PREFIXES = {"bbox": "box", "segm": "mask"}
# Largest numbers of results that COCO evaluates.
MAX_DETECTIONS = (1, 10, 100)
_AREAS = ("all", "small", "medium", "large")
_EVERY = "0.50:0.95"
_THRESHOLDS = {_EVERY: slice(None), "0.50": slice(0, 1), "0.75": slice(5, 6)}
_WORDS = {"AP": ("Average Precision", "(AP)"), "AR": ("Average Recall", "(AR)")}


class Number(NamedTuple):
    """What one of the numbers is the mean of.

    Attributes:
        name: Such as `"AP50"`; it begins with `"AP"` or `"AR"`.
        threshold: Of the overlap: `"0.50:0.95"` is ten.
        area: `"all"`, or the size of the objects.
        maximum: Number of results that count, those of the highest scores.
        group: Frequency of the categories: `"rare"` and so on; `"all"` for every category.
    """

    name: str
    threshold: str
    area: str
    maximum: int
    group: str = "all"


def coco_numbers(max_detections: Sequence[int] = MAX_DETECTIONS) -> tuple[Number, ...]:
    """The numbers of COCO, in pycocotools' order: six of precision, then those of recall.

    Args:
        max_detections: Numbers of results per image and category, ascending: recall is measured at
            each, precision at the largest.
    """
    top = max_detections[-1]
    return (
        Number("AP", _EVERY, "all", top),
        Number("AP50", "0.50", "all", top),
        Number("AP75", "0.75", "all", top),
        *(Number(f"AP_{area}", _EVERY, area, top) for area in _AREAS[1:]),
        *(Number(f"AR{maximum}", _EVERY, "all", maximum) for maximum in max_detections),
        *(Number(f"AR_{area}", _EVERY, area, top) for area in _AREAS[1:]),
    )


COCO_NUMBERS = coco_numbers()


class CategoryRow(NamedTuple):
    """One category of the ground truth.

    Attributes:
        id: Number of the category in the dataset.
        name: Its name.
        objects: Objects in the images that were evaluated, without crowds.
        crowds: Crowd regions in them.
        predictions: Results for this category.
        scores: Per kind, AP and AP50, each in [0, 1], or -1 for a category without objects.
        frequency: Its group, such as `"rare"`, in a dataset that has groups.
    """

    id: int
    name: str
    objects: int
    crowds: int
    predictions: int
    scores: dict[str, tuple[float, float]]
    frequency: str = ""


@dataclass(frozen=True, eq=False)
class CocoResult:
    """Result of an evaluation by COCO's rules.

    Attributes:
        stats: Per kind, `"bbox"` or `"segm"`, the values of `numbers`, float64 `(N,)`: each in
            [0, 1], or -1 where there are no objects to find.
        rows: One row per category, by its number.
        images: Number of images that were evaluated.
        seconds: Time that the evaluation took.
        backend: The library that matched results with objects.
        numbers: What is measured; COCO's twelve in the order of pycocotools.
    """

    stats: dict[str, np.ndarray]
    rows: tuple[CategoryRow, ...] = ()
    images: int = 0
    seconds: float = 0.0
    backend: str = "numpy"
    numbers: tuple[Number, ...] = COCO_NUMBERS

    def scalars(self) -> dict[str, float]:
        """The numbers by the names they are logged under, such as `box_AP` and `mask_AP50`."""
        return {
            f"{PREFIXES[kind]}_{number.name}": float(value)
            for kind, stats in self.stats.items()
            for number, value in zip(self.numbers, stats, strict=True)
        }

    def table(self, kind: str) -> str:
        """The lines that `COCOeval.summarize` of pycocotools prints, for one kind."""
        lines = []
        grouped = any(number.group != "all" for number in self.numbers)
        for number, value in zip(self.numbers, self.stats[kind], strict=True):
            title, short = _WORDS[number.name[:2]]
            group = f"| categories={number.group:>8s} " if grouped else ""
            lines.append(
                f" {title:<18} {short} @[ IoU={number.threshold:<9} | area={number.area:>6s} |"
                f" maxDets={number.maximum:>3d} {group}] = {value:0.3f}"
            )
        return "\n".join(lines)

    def categories(self) -> list[dict[str, int | float | str]]:
        """One row per category, for a table with these columns.

        Returns:
            Rows with `id`, `name`, `objects`, `crowds`, `predictions`, and `box_AP`, `box_AP50`,
            `mask_AP`, `mask_AP50` for the kinds that were evaluated; `frequency` too where
            categories have groups.
        """
        return [
            {
                "id": row.id,
                "name": row.name,
                **({"frequency": row.frequency} if row.frequency else {}),
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
                cell.ljust(width) if name in ("name", "frequency") else cell.rjust(width)
                for name, cell, width in zip(names, row, widths, strict=True)
            ).rstrip()
            for row in cells
        )

    def to_json(self) -> dict[str, list[float]]:
        """Per kind, the numbers as a list, in the order of `numbers`."""
        return {kind: stats.tolist() for kind, stats in self.stats.items()}


def summarize(
    precision: np.ndarray,
    recall: np.ndarray,
    numbers: Sequence[Number] = COCO_NUMBERS,
    frequencies: Sequence[str] = (),
) -> np.ndarray:
    """Compute the numbers from accumulated values, as `COCOeval.summarize` does.

    Args:
        precision: float64 `(T, R, K, 4, M)`: 10 thresholds, 101 recalls, category, area, number of
            results, ascending; -1 where there are no objects.
        recall: float64 `(T, K, 4, M)`, likewise.
        numbers: What to compute.
        frequencies: Group of each of the K categories, where numbers have groups.

    Returns:
        float64 `(N,)`.
    """
    values = []
    maxima = sorted({number.maximum for number in numbers})
    for number in numbers:
        # Lists keep the axes: sums then run over memory in the order of pycocotools, to the bit.
        place = [_AREAS.index(number.area)], [maxima.index(number.maximum)]
        source = precision if number.name.startswith("AP") else recall
        if number.group != "all":
            chosen = np.array([frequency == number.group for frequency in frequencies], dtype=bool)
            source = source.compress(chosen, axis=source.ndim - 3)
        values.append(_mean(source[_THRESHOLDS[number.threshold]][..., *place]))
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
