"""Training curves of a run, read from `metrics.csv` in its folder."""

import math
from pathlib import Path
from typing import Any

from vision.documents.csv_text import read_log
from vision.report.charts import Axis, Series, line_chart
from vision.report.page import Html, columns, note, section

FILE_NAME = "metrics.csv"
STEP, EPOCH = "step", "epoch"
STAGES = ("train", "val", "test")
# Maximum points per line in a report file.
MAX_POINTS = 300
# Metrics of a subset of the objects say little about a training.
LEFT_OUT = ("_small", "_medium", "_large", "AR1", "AR10")

Lines = dict[str, dict[str, list[float]]]


def read_curves(run: Path | None) -> Lines:
    """Read what a run has logged.

    Args:
        run: Folder of the run, or None.

    Returns:
        For each metric, the `"step"` and `"value"` of each entry; empty if the folder has no such
        file.
    """
    file = None if run is None else run / FILE_NAME
    if file is None or not file.is_file():
        return {}
    lines: Lines = {}
    for row in read_log(file, what="log of metrics"):
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


def curves_section(lines: Lines) -> Html | None:
    """Make the section of a page with the curves; None if there are none.

    Args:
        lines: Result of `read_curves`.
    """
    groups = {
        "Loss": [name for name in lines if name.endswith("/loss")],
        "Terms of the loss": [
            name for name in lines if name.startswith("train/") and not name.endswith("/loss")
        ],
        "Validation": [name for name in lines if _is_metric(name)],
        "Learning rate": [name for name in lines if name == "lr"],
    }
    charts = []
    for title, names in groups.items():
        found = [Series(name, lines[name]["step"], lines[name]["value"]) for name in names]
        if found:
            low = 0.0 if title == "Learning rate" else None
            y = Axis("" if len(found) > 1 else names[0], low)
            charts.append(line_chart(found, Axis("optimiser step"), y, title=title))
    if not charts:
        return None
    single = all(len(line["step"]) == 1 for line in lines.values())
    more = note("Each was logged once.") if single else ""
    return section("Training", columns(*charts), more, lead="As logged by the run.")


def _is_metric(name: str) -> bool:
    short = name.removeprefix("val/")
    return short != name and short != "loss" and not short.endswith(LEFT_OUT)
