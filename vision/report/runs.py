"""Read the folder of a run into plain values: metrics, config, speed, size, evaluation.

Every file may be absent or damaged: the notes of the run list what could not be read, and unknown
values are None.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vision.documents.csv_text import read_log
from vision.documents.yaml_text import read_yaml
from vision.errors import ConfigError, DataError, suggest
from vision.metrics.directions import direction
from vision.reading import user_path
from vision.report.against import find_report, read_report
from vision.report.parts import known
from vision.report.run_model import CHECKPOINTS, Size, read_facts
from vision.report.run_speed import ENVIRONMENT, Speed, read_speed

METRICS, CONFIG = "metrics.csv", "config.yaml"
RUN_FILES = (METRICS, CONFIG, ENVIRONMENT, CHECKPOINTS)
VALIDATION = "val/"
STEP, EPOCH = "step", "epoch"
# Config keys that name the run and do not describe what it does.
OWN_KEYS = (
    *("name", "version", "runs_dir", "ckpt_path", "weights_only"),
    *("trainer.default_root_dir", "trainer.logger"),
)


class Line(NamedTuple):
    """The values of a metric, in the order in which they were logged.

    Attributes:
        step: Optimiser steps.
        epoch: Epochs, counted from 0; None if not logged.
        value: Values; NaN where the logged value is not finite.
    """

    step: list[float]
    epoch: list[float | None]
    value: list[float]


@dataclass(kw_only=True)
class Run:
    """A run, as its folder describes it.

    Attributes:
        name: Name that distinguishes it from the others, such as `"digits/version_0"`.
        folder: Its folder.
        kind: Name of its task; None if not known.
        model: Names of its detector or segmentor and of its backbone; None if not known.
        epoch: Completed epochs of its checkpoint.
        step: Optimiser steps of its checkpoint.
        trained_epochs: Epochs that it was trained, by its last validation; None if not known.
        lines: Values of each validation metric, by name.
        config: Value by dotted key, without keys that only name this run; may be empty.
        speed: Its speed.
        size: Size of its model.
        evaluation: Metrics of its report, by name; empty if there is no report.
        notes: What could not be read.
    """

    name: str
    folder: Path
    kind: str | None = None
    model: str | None = None
    epoch: int | None = None
    step: int | None = None
    trained_epochs: int | None = None
    lines: dict[str, Line] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    speed: Speed = field(default_factory=Speed)
    size: Size = field(default_factory=Size)
    evaluation: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def best(self, metric: str) -> float | None:
        """The best value of a metric: the lowest of a loss or an error, the highest of others."""
        values = (
            [v for v in self.lines[metric].value if not math.isnan(v)] if self.has(metric) else []
        )
        choose = min if direction(metric) == "lower" else max
        return choose(values) if values else None

    def last(self, metric: str) -> float | None:
        """The last value of a metric; NaN if it is not finite."""
        return self.lines[metric].value[-1] if self.has(metric) else None

    def has(self, metric: str) -> bool:
        """Whether the run has logged a metric."""
        return metric in self.lines


def find_runs(given: Sequence[str | Path]) -> list[tuple[Path, Path | None]]:
    """Find the runs that paths refer to, each once, in order.

    Args:
        given: Folders of runs, checkpoints in them, or folders of all versions of a run.

    Returns:
        The folder of each run, and its checkpoint if one was given.

    Raises:
        ConfigError: A path is not one of these.
    """
    found: dict[Path, tuple[Path, Path | None]] = {}
    for path in (user_path(one, error=ConfigError) for one in given):
        for folder, checkpoint in _runs_of(path):
            # Two checkpoints of a run are two models to compare.
            found.setdefault((checkpoint or folder).resolve(), (folder, checkpoint))
    return list(found.values())


def _runs_of(path: Path) -> list[tuple[Path, Path | None]]:
    if path.is_file():
        folder = path.parent.parent
        if path.suffix in (".ckpt", ".safetensors") and _is_run(folder):
            return [(folder, path)]
        raise ConfigError(
            f"'{path}' is not a checkpoint of a run: expected RUN/checkpoints/NAME.ckpt "
            f"with RUN/{CONFIG} or RUN/{METRICS}. Give the folder of the run."
        )
    if not path.is_dir():
        near = map(str, path.parent.iterdir()) if path.parent.is_dir() else []
        raise ConfigError(
            f"there is no run '{path}' (looked at {path.resolve()}).{suggest(str(path), near)}"
        )
    if _is_run(path):
        return [(path, None)]
    versions = [one for one in path.iterdir() if re.fullmatch(r"version_\d+", one.name)]
    runs = sorted((one for one in versions if _is_run(one)), key=lambda one: int(one.name[8:]))
    if not runs:
        raise ConfigError(
            f"'{path}' is not the folder of a run: it has none of {', '.join(RUN_FILES)}, and no "
            "version_N that has. Give runs/NAME/version_N, or runs/NAME for all its versions."
        )
    return [(one, None) for one in runs]


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in RUN_FILES)


def read_runs(given: Sequence[str | Path]) -> list[Run]:
    """Read the runs that paths refer to.

    Args:
        given: As for `find_runs`.

    Raises:
        ConfigError: A path is not a run.
    """
    found = find_runs(given)
    names = _names(found)
    return [
        read_run(folder, name=name, checkpoint=checkpoint)
        for (folder, checkpoint), name in zip(found, names, strict=True)
    ]


def _names(found: Sequence[tuple[Path, Path | None]]) -> list[str]:
    """The shortest path suffixes, of at least two parts, that distinguish the runs."""
    paths = [
        (folder if checkpoint is None else checkpoint).resolve().parts
        for folder, checkpoint in found
    ]
    minimum = [2 if checkpoint is None else 4 for _, checkpoint in found]
    for more in range(max(map(len, paths), default=0)):
        names = ["/".join(parts[-(n + more) :]) for parts, n in zip(paths, minimum, strict=True)]
        if len({*names}) == len(names):
            return names
    return ["/".join(parts) for parts in paths]


def read_run(folder: Path, *, name: str, checkpoint: Path | None = None) -> Run:
    """Read the folder of a run; nothing in it is executed.

    Args:
        folder: The folder.
        name: Name to show.
        checkpoint: Checkpoint of its model; None uses the best, or else the last.
    """
    run = Run(name=name, folder=folder)
    run.lines = read_lines(folder / METRICS, run.notes)
    run.config = flatten(_read_config(folder / CONFIG, run.notes))
    task = run.config.get("model")
    run.kind = str(task).rpartition(".")[2].lower() if task else None
    facts = read_facts(folder, checkpoint, run.notes)
    run.kind = facts.kind or run.kind
    run.model, run.epoch, run.step, run.size = facts.model, facts.epoch, facts.step, facts.size
    epochs = {
        int(step): epoch
        for line in run.lines.values()
        for step, epoch in zip(line.step, line.epoch, strict=True)
        if epoch is not None
    }
    run.trained_epochs = int(max(epochs.values())) + 1 if epochs else None
    run.speed = read_speed(folder, run.config, epochs, run.notes)
    run.evaluation = _read_evaluation(folder, run.notes)
    return run


# ----------------------------------------------------------------------------------------- metrics


def read_lines(path: Path, notes: list[str]) -> dict[str, Line]:
    """Read the validation metrics in a `metrics.csv`; incomplete rows are skipped.

    Args:
        path: The file.
        notes: Receives a line for everything that could not be read.
    """
    try:
        rows = read_log(path, what="log of metrics")
    except DataError as error:
        notes.append(f"{path}: no metrics, {error}")
        return {}
    lines: dict[str, Line] = {}
    torn = 0
    for row in rows:
        step = _number(row.get(STEP))
        if step is None or not math.isfinite(step):
            torn += 1
            continue
        for name, cell in row.items():
            if name.startswith(VALIDATION):
                _log(lines, name, step, _number(row.get(EPOCH)), _number(cell))
    if torn:
        notes.append(f"{path}: {torn:,} rows without a step were skipped")
    if not lines:
        notes.append(f"{path}: no validation metrics")
    return lines


def _log(
    lines: dict[str, Line], name: str, step: float, epoch: float | None, value: float | None
) -> None:
    # COCO's -1 ("no ground truth") is not a value; infinity is treated as NaN.
    if value is None or (value == -1 and direction(name) == "higher"):
        return
    line = lines.setdefault(name, Line([], [], []))
    line.step.append(step)
    line.epoch.append(epoch)
    line.value.append(value if math.isfinite(value) else math.nan)


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


# ------------------------------------------------------------------------------------------ config


def _read_config(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        found = read_yaml(path, what="config")
    except DataError as error:
        notes.append(f"{path}: no config, {str(error).splitlines()[0]}")
        return {}
    if not isinstance(found, dict):
        notes.append(f"{path}: damaged, expected 'key: value' lines")
        return {}
    return found


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten a config to dotted keys as on the command line, without `class_path`, `init_args`.

    Args:
        settings: The config; keys that only name the run are left out.
    """
    flat: dict[str, Any] = {}
    _flatten(settings, "", flat)
    return {key: value for key, value in flat.items() if key not in OWN_KEYS}


def _flatten(settings: Mapping[str, Any], prefix: str, flat: dict[str, Any]) -> None:
    for key, value in settings.items():
        dotted = prefix if key in ("class_path", "init_args") else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Mapping) and value:
            _flatten(value, dotted, flat)
        else:
            flat[dotted] = value


# -------------------------------------------------------------------------------------- evaluation


def _read_evaluation(folder: Path, notes: list[str]) -> dict[str, float]:
    path = find_report(folder)
    if path is None:
        return {}
    try:
        report = read_report(path)
    except DataError as error:
        notes.append(str(error))
        return {}
    calibration = report.get("calibration")
    more = {"ece": calibration.get("ece")} if isinstance(calibration, Mapping) else {}
    numbers = {**report["metrics"], **more} if isinstance(report["metrics"], Mapping) else more
    values = {name: known(_number(value)) for name, value in numbers.items()}
    return {name: value for name, value in values.items() if value is not None}
