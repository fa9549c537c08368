"""Parts that the reports of several tasks share: classes, confusion, calibration, curves."""

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np

from vision.documents.json_writing import spelt
from vision.metrics.calibration import Calibration
from vision.metrics.precision_recall import Curve
from vision.report.charts import (
    Axis,
    Series,
    bar,
    heat_map,
    histogram,
    line_chart,
    reliability_chart,
)
from vision.report.page import Html, columns, facts, join, note, number, table

# With more classes a matrix is unreadable: the most confused pairs are listed.
MAX_IN_MATRIX = 30
MAX_PAIRS = 40
MAX_BESIDE = 13  # with more classes the matrix has a line of its own, above the pairs
# With more classes the curves cannot be distinguished: the means are drawn.
MAX_CURVES = 16
# With more classes the report file holds the averages of the curves only.
MAX_STORED = 100
STORED_POINTS = 101
TALL = 25  # a table with this many rows scrolls
FRACTION = Axis("", 0.0, 1.0)

Json = dict[str, Any]


class EvaluatedData(NamedTuple):
    """The source of the evaluated images.

    Attributes:
        dataset: The dataset that was evaluated; None if it is not available.
        data: Its datamodule.
    """

    dataset: Any
    data: Any


def image_paths(dataset: Any) -> Any:
    """Path of each image of a dataset; None if its images are in no files."""
    paths = getattr(dataset, "paths", None)
    return getattr(getattr(dataset, "index", None), "paths", None) if paths is None else paths


def image_name(dataset: Any, place: int) -> str:
    """The name of an image: the last two parts of its path, or its index if it has no path."""
    paths = image_paths(dataset)
    if paths is None:
        return f"image {place}"
    return spelt("/".join(PurePath(paths[place]).parts[-2:]))


def known(value: Any) -> float | None:
    """A number for a JSON file: None for NaN, infinity and -1 (COCO's "no ground truth")."""
    if value is None or not math.isfinite(value) or value == -1:
        return None
    return float(value)


def knowns(values: Any) -> list[float | None]:
    """The same for several numbers."""
    return [known(value) for value in np.asarray(values, float).tolist()]


def unknown(values: Sequence[float | None]) -> np.ndarray:
    """Numbers of a JSON file as float64 `(N,)`, NaN for None."""
    return np.array([math.nan if value is None else value for value in values], float)


# --------------------------------------------------------------------------------------- confusion


def confusion_json(matrix: np.ndarray, names: Sequence[str]) -> Json:
    """A confusion matrix for a report file: whole, or its most confused pairs.

    Args:
        matrix: int `(K, K)`, rows are true classes.
        names: K names.
    """
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:MAX_PAIRS]
    totals = matrix.sum(axis=1)
    pairs = [
        {
            "true": names[row],
            "predicted": names[column],
            "count": int(off[row, column]),
            "share": float(off[row, column] / totals[row]),
        }
        for row, column in (np.unravel_index(place, off.shape) for place in order)
        if off[row, column]
    ]
    whole = {"matrix": matrix.tolist()} if len(names) <= MAX_STORED else {}
    return {"names": list(names), "pairs": pairs, **whole}


def confusion_html(parts: Json, *, unit: str, title: str) -> Html:
    """A heat map for few classes, the most confused pairs for many.

    Args:
        parts: Result of `confusion_json`.
        unit: What is counted, such as `"images"`.
        title: Title of the matrix.
    """
    rows = [
        (one["true"], one["predicted"], one["count"], f"{one['share']:.1%}")
        for one in parts["pairs"]
    ]
    pairs = table(
        ("true", "predicted as", unit, "share of the true class"),
        rows,
        caption="Most confused pairs of classes",
        tall=len(rows) > TALL,
    )
    if not rows:
        pairs = note("No class was confused with another.")
    if len(parts["names"]) > MAX_IN_MATRIX + 1:
        return pairs
    matrix = heat_map(np.array(parts["matrix"]), parts["names"], title=title)
    beside = len(parts["names"]) <= MAX_BESIDE
    return columns(matrix, pairs) if beside else join([matrix, pairs])


# ------------------------------------------------------------------------------------- calibration


def calibration_json(calibration: Calibration) -> Json:
    """A calibration for a report file."""
    return {
        "ece": known(calibration.error),
        "mce": known(calibration.largest_error),
        "edges": calibration.edges.tolist(),
        "counts": calibration.counts.tolist(),
        "accuracy": knowns(calibration.accuracy),
        "confidence": knowns(calibration.confidence),
    }


def calibration_html(parts: Json, *, unit: str, right: str = "accuracy") -> Html:
    """A reliability diagram, its calibration errors, and the number of predictions per bin.

    Args:
        parts: Result of `calibration_json`.
        unit: What is counted, such as `"images"`.
        right: Name of the share of correct predictions.
    """
    errors = facts(
        [
            ("Expected calibration error", number(parts["ece"])),
            ("Largest gap of a bin", number(parts["mce"])),
            (unit.capitalize(), number(int(sum(parts["counts"])))),
            ("Bins", number(len(parts["counts"]))),
        ]
    )
    diagram = reliability_chart(
        parts["edges"],
        parts["accuracy"],
        parts["confidence"],
        title="Reliability diagram",
        y_title=right,
    )
    amounts = histogram(
        parts["edges"],
        parts["counts"],
        title=f"{unit.capitalize()} by confidence",
        x_title="confidence",
        y_title=unit,
    )
    return join([columns(diagram, amounts), errors])


# ------------------------------------------------------------------------------------------ curves


def curve_json(curve: Curve) -> Json:
    """A precision-recall curve for a report file."""
    thin = curve.thinned(STORED_POINTS)
    return {
        "average_precision": known(curve.average_precision),
        "recall": knowns(thin.recall),
        "precision": knowns(thin.precision),
        "threshold": knowns(thin.threshold),
    }


def curves_html(curves: Mapping[str, Json], *, title: str) -> Html:
    """Draw precision-recall curves, with their average precision in the legend.

    Args:
        curves: Results of `curve_json`, by name.
        title: Title of the chart.
    """
    lines = [
        Series(
            f"{name} ({number(one['average_precision'], digits=3)})",
            unknown(one["recall"]),
            unknown(one["precision"]),
        )
        for name, one in curves.items()
        if one["recall"]
    ]
    x, y = FRACTION._replace(title="recall"), FRACTION._replace(title="precision")
    return line_chart(lines, x, y, title=title, legend=True) if lines else note("Nothing to draw.")


# ----------------------------------------------------------------------------------------- classes


def class_table(
    rows: Sequence[Json], columns_of: Mapping[str, str], *, bars: Sequence[str], caption: str
) -> Html:
    """One row per class, the worst first, with bars for some of its numbers.

    Args:
        rows: The classes, each with a `name`.
        columns_of: Heading of each column, by the key of its values.
        bars: Keys of the fractions that get a bar; the first one sorts the rows.
        caption: Caption of the table.
    """
    lead = bars[0]
    ordered = sorted(rows, key=lambda row: (row[lead] is None, row[lead] or 0.0))
    headings, body = ["class"], []
    for key, heading in columns_of.items():
        headings += [heading, ""] if key in bars else [heading]
    for row in ordered:
        cells: list[object] = [row["name"]]
        for key in columns_of:
            cells.append(row[key])
            if key in bars:
                cells.append(bar(row[key], series=list(bars).index(key)))
        body.append(cells)
    return table(headings, body, caption=caption, digits=3, tall=len(body) > TALL)
