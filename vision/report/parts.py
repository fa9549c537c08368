"""What the reports of several tasks show alike: classes, confusion, calibration, curves."""

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

# Of more classes a matrix is no longer read: the pairs that are confused most are listed.
MAX_IN_MATRIX = 30
MAX_PAIRS = 40
# Of more classes the curves are not told apart: the means are drawn.
MAX_CURVES = 16
# Of more classes the report file holds no curves, but their averages.
MAX_STORED = 100
STORED_POINTS = 101
TALL = 25  # rows of a table from which it scrolls
FRACTION = Axis("", 0.0, 1.0)

Json = dict[str, Any]


class EvaluatedData(NamedTuple):
    """Where the images come from.

    Attributes:
        dataset: The set that was evaluated; None if it is not to be had.
        data: Its datamodule.
    """

    dataset: Any
    data: Any


def image_name(dataset: Any, place: int) -> str:
    """The name of an image: the last two parts of its path, or its place where it has none."""
    paths = getattr(dataset, "paths", None)
    if paths is None:
        paths = getattr(getattr(dataset, "index", None), "paths", None)
    if paths is None:
        return f"image {place}"
    return spelt("/".join(PurePath(paths[place]).parts[-2:]))


def known(value: Any) -> float | None:
    """A number for a JSON file: None for NaN, infinity and -1, COCO's sign of nothing to find."""
    if value is None or not math.isfinite(value) or value == -1:
        return None
    return float(value)


def knowns(values: Any) -> list[float | None]:
    """The same of several numbers."""
    return [known(value) for value in np.asarray(values, float).tolist()]


def unknown(values: Sequence[float | None]) -> np.ndarray:
    """Numbers of a JSON file as float64 `(N,)`, NaN for None."""
    return np.array([math.nan if value is None else value for value in values], float)


# --------------------------------------------------------------------------------------- confusion


def confusion_json(matrix: np.ndarray, names: Sequence[str]) -> Json:
    """A confusion matrix for a report file, whole or as the pairs that are confused most.

    Args:
        matrix: int `(K, K)`, rows of what is true.
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
    """A heat map of few classes; of many the pairs that are confused most.

    Args:
        parts: As `confusion_json` makes them.
        unit: What is counted, such as `"images"`.
        title: What the matrix is.
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
        pairs = note("No class was taken for another.")
    if len(parts["names"]) > MAX_IN_MATRIX + 1:
        return pairs
    matrix = heat_map(np.array(parts["matrix"]), parts["names"], title=title)
    return columns(matrix, pairs)


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
    """A reliability diagram, its errors, and how many predictions each bin has.

    Args:
        parts: As `calibration_json` makes them.
        unit: What is counted, such as `"images"`.
        right: Name of the share that is right.
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
    """A curve of precision and recall for a report file."""
    thin = curve.thinned(STORED_POINTS)
    return {
        "average_precision": known(curve.average_precision),
        "recall": knowns(thin.recall),
        "precision": knowns(thin.precision),
        "threshold": knowns(thin.threshold),
    }


def curves_html(curves: Mapping[str, Json], *, title: str) -> Html:
    """Precision over recall of some curves, with their average precision in the legend.

    Args:
        curves: By name, each as `curve_json` makes it.
        title: What they are.
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
    """One row per class, the worst first, with bars of some of its numbers.

    Args:
        rows: The classes, with a `name` each.
        columns_of: Heading of each column by the key of its values.
        bars: Keys of the values that get a bar, of fractions; the first one sorts the rows.
        caption: What the table shows.
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
