"""Training curves of a run, read from `metrics.csv` in its folder."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vision.callbacks.run.best_checkpoint import is_measured
from vision.documents.csv_text import read_log
from vision.draw.epochs import EPOCH, STEP, Epochs, epochs_of
from vision.draw.loss_note import loss_note
from vision.report.charts import Axis, Series, line_chart
from vision.report.page import Html, columns, note, number, section

FILE_NAME = "metrics.csv"
STAGES = ("train", "val", "test")
# Maximum points per line in a report file.
MAX_POINTS = 300
# Metrics of a subset of the objects say little about a training.
LEFT_OUT = ("_small", "_medium", "_large", "AR1", "AR10")
LOSS = "Loss"

Lines = dict[str, dict[str, list[float]]]


class Training(NamedTuple):
    """What the charts of a training say besides the logged values.

    Attributes:
        epochs: Epoch of each optimiser step; None if not known.
        monitor: The metric that chooses the best checkpoint, and `"max"` or `"min"`; None if not
            known.
        arguments: Arguments of the task, plain values.
    """

    epochs: Epochs | None = None
    monitor: tuple[str, str] | None = None
    arguments: Mapping[str, Any] = {}


class Best(NamedTuple):
    """The best value of the monitored metric, and the position at which it was logged."""

    metric: str
    x: float
    value: float


def read_curves(run: Path | None) -> Lines:
    """Read what a run has logged.

    Args:
        run: Folder of the run, or None.

    Returns:
        For each metric, the `"step"` and `"value"` of each entry; empty if the folder has no such
        file.
    """
    lines: Lines = {}
    for row in _rows(run):
        step = _float(row.get(STEP))
        if step is None:
            continue
        for name, cell in row.items():
            value = _float(cell)
            if name not in (STEP, EPOCH) and value is not None:
                line = lines.setdefault(name, {"step": [], "value": []})
                line["step"].append(step)
                line["value"].append(value)
    return {name: _thin(line) for name, line in lines.items()}


def read_epochs(run: Path | None) -> Epochs | None:
    """The epoch of each step of a run; None if it is not known."""
    return epochs_of(_rows(run))


def _rows(run: Path | None) -> list[dict[str, str]]:
    file = None if run is None else run / FILE_NAME
    return [] if file is None or not file.is_file() else read_log(file, what="log of metrics")


def _float(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):  # empty, or the incomplete last row of a killed run
        return None
    return value if math.isfinite(value) else None


def _thin(line: dict[str, list[float]]) -> dict[str, list[float]]:
    count = len(line["step"])
    if count <= MAX_POINTS:
        return line
    kept = [round(i * (count - 1) / (MAX_POINTS - 1)) for i in range(MAX_POINTS)]
    return {key: [values[i] for i in kept] for key, values in line.items()}


def curves_section(lines: Lines, training: Training | None = None) -> Html | None:
    """Make the section of a page with the curves; None if there are none.

    Args:
        lines: Result of `read_curves`.
        training: What else is known of the training; None for nothing.
    """
    training = training or Training()
    metrics = [name for name in lines if _is_metric(name)]
    shares = [name for name in metrics if lines[name]["value"][-1] <= 1]
    groups = {
        LOSS: [name for name in lines if name.endswith("/loss")],
        "Terms of the loss": [
            name for name in lines if name.startswith("train/") and not name.endswith("/loss")
        ],
        "Validation": shares,
        # Angles and the like would leave no height for shares.
        "Validation, larger numbers": [name for name in metrics if name not in shares],
        "Learning rate": [name for name in lines if name == "lr"],
    }
    best = _best(lines, training)
    charts = [
        _chart(title, names, lines, training, best) for title, names in groups.items() if names
    ]
    if not charts:
        return None
    single = all(len(line["step"]) == 1 for line in lines.values())
    more = note("Each was logged once.") if single else ""
    return section("Training", columns(*charts), more, lead=_lead(training, best))


def _chart(
    title: str, names: Sequence[str], lines: Lines, training: Training, best: Best | None
) -> Html:
    series = []
    for name in names:
        ring = (best.x, best.value) if best is not None and best.metric == name else None
        line = lines[name]
        series.append(Series(name, _positions(line["step"], training), line["value"], ring))
    x = Axis("optimiser step" if training.epochs is None else "epoch", 0.0)
    y = Axis("" if len(series) > 1 else names[0], 0.0 if title == "Learning rate" else None)
    both = title == LOSS and len(series) > 1
    return line_chart(
        series,
        x,
        y,
        title=title,
        guide=None if best is None else best.x,
        explanation=loss_note(training.arguments) if both else "",
    )


def _positions(steps: Sequence[float], training: Training) -> Sequence[float]:
    return steps if training.epochs is None else training.epochs.at(steps).tolist()


def _best(lines: Lines, training: Training) -> Best | None:
    """The best measured value of the metric that chooses the checkpoint."""
    if training.monitor is None or training.monitor[0] not in lines:
        return None
    metric, mode = training.monitor
    x = _positions(lines[metric]["step"], training)
    points = zip(x, lines[metric]["value"], strict=True)
    measured = [Best(metric, place, value) for place, value in points if is_measured(value)]
    choose = max if mode == "max" else min
    return choose(measured, key=lambda point: point.value) if measured else None


def _lead(training: Training, best: Best | None) -> str:
    if best is None:
        return "As logged by the run."
    unit = "step" if training.epochs is None else "epoch"
    return (
        f"As logged by the run. A dashed line marks the best {unit}, {best.x:,g}:"
        f" {best.metric} {number(best.value)}."
    )


def _is_metric(name: str) -> bool:
    short = name.removeprefix("val/")
    # Those of single classes, such as `val/f1/NAME`, are too many for a chart.
    return short not in (name, "loss") and "/" not in short and not short.endswith(LEFT_OUT)
