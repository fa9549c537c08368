"""Compare runs side by side: metrics, config, speed and size."""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from vision.documents.csv_writing import write_table
from vision.documents.json_writing import to_json
from vision.errors import ConfigError, VisionError, listed
from vision.files import write_text
from vision.metrics.directions import direction
from vision.report.runs import Run

# Metrics without a better or worse direction.
NEITHER = ""
ABSENT = "-"
VALIDATED = "Validation during training"
UNKNOWN = "unknown"
SPEED = {
    "seconds": "training time, s",
    "epoch_s": "seconds per epoch",
    "steps_per_s": "steps/s",
    "images_per_s": "images/s",
    "memory_gib": "GPU memory, GiB",
    "hardware": "hardware",
    "precision": "precision",
}
FASTER = {"seconds": "lower", "epoch_s": "lower", "steps_per_s": "higher", "images_per_s": "higher"}
SIZE = {
    "parameters": "parameters, M",
    "checkpoint": "checkpoint, MB",
    "weights": "weights/best.safetensors, MB",
}
MILLION = 1e6
BEST, LAST = " best", " last"  # what rows of a metric say of its values
MAX_WON = 6  # quantities in a sentence; the tables have all


@dataclass(frozen=True, kw_only=True)
class Row:
    """One quantity of every run.

    Attributes:
        name: Name of the quantity.
        values: Number, text or None for each run, in the order of the runs.
        better: Whether `"higher"` or `"lower"` numbers are better; `""` for neither.
        digits: Digits after the decimal point.
        absent: Text shown for None.
    """

    name: str
    values: list[float | str | None]
    better: str = NEITHER
    digits: int = 4
    absent: str = ABSENT

    def leaders(self) -> set[int]:
        """Indices of the runs with the best number; empty if all are equal or only one has one."""
        known = {i: v for i, v in enumerate(self.values) if is_number(v)}
        if not self.better or len(known) < 2 or len({*known.values()}) < 2:
            return set()
        best = (max if self.better == "higher" else min)(known.values())
        return {i for i, value in known.items() if value == best}

    def difference(self, place: int) -> float | None:
        """The number of a run minus the first run's; None if either has no number."""
        first, value = self.values[0], self.values[place]
        return value - first if place and is_number(first) and is_number(value) else None

    def text(self, place: int) -> str:
        """The text shown for a run."""
        value = self.values[place]
        if value is None:
            return self.absent
        return value if isinstance(value, str) else f"{value:,.{self.digits}f}"


@dataclass(kw_only=True)
class Table:
    """Rows that belong together.

    Attributes:
        title: Heading.
        rows: The rows.
        compared: Whether differences to the first run are meaningful.
        lead: A line on how to read the rows.
    """

    title: str
    rows: list[Row]
    compared: bool = False
    lead: str = ""


@dataclass(kw_only=True)
class Comparison:
    """Runs side by side.

    Attributes:
        runs: The runs; differences are to the first.
        tables: Models, metrics, evaluation, config, speed and size; empty ones are left out.
        metrics: Names of the compared validation metrics.
        verdicts: A sentence for each run that is better than the others at something.
        notes: Caveats for the reader.
    """

    runs: list[Run]
    tables: list[Table] = field(default_factory=list)
    metrics: list[str] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; None for what is absent or not a number."""
        return {
            "runs": [_run_dict(run) for run in self.runs],
            "tables": {
                table.title: {
                    row.name: {
                        "values": [None if _is_nan(value) else value for value in row.values],
                        "better": row.better or None,
                        "best": sorted(row.leaders()),
                    }
                    for row in table.rows
                }
                for table in self.tables
            },
            "verdicts": self.verdicts,
            "notes": self.notes,
        }


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Compare runs side by side.

    Args:
        runs: One or more; the others are compared with the first.

    Raises:
        ConfigError: `runs` is empty.
    """
    if not runs:
        raise ConfigError("give the folders of the runs to compare: RUN RUN ...")
    compared = Comparison(runs=list(runs))
    kinds = {run.kind for run in runs if run.kind}
    if len(kinds) > 1:
        compared.notes.append(
            f"the runs belong to different tasks ({', '.join(sorted(kinds))}): only metrics that "
            "all of them have are compared, and metrics of one name may differ in meaning"
        )
    compared.metrics = _shared([run.lines for run in runs], everywhere=len(kinds) > 1)
    evaluated = _shared([run.evaluation for run in runs], everywhere=len(kinds) > 1)
    tables = [
        Table(title="Model", rows=_model_rows(runs)),
        Table(
            title=VALIDATED,
            rows=[row for name in compared.metrics for row in _metric_rows(name, runs)],
            compared=True,
            lead="Best and last value of each metric: the lowest is best for a loss or an "
            "error, the highest for others.",
        ),
        Table(
            title="Evaluation",
            rows=[
                Row(
                    name=name,
                    values=[run.evaluation.get(name) for run in runs],
                    better=direction(name),
                )
                for name in evaluated
            ],
            compared=True,
            lead="From evaluation/report.json of each run.",
        ),
        Table(title="Speed", rows=_speed_rows(runs), compared=True, lead=_speed_lead(runs)),
        Table(title="Size", rows=_size_rows(runs), compared=True),
        Table(title="Config", rows=_config_rows(runs), lead="Only the keys that differ."),
    ]
    compared.tables = [table for table in tables if table.rows]
    compared.verdicts = _verdicts(compared)
    if len(runs) > 1 and not compared.metrics:
        compared.notes.append("there is no validation metric to compare")
    compared.notes += [note for run in runs for note in run.notes]
    return compared


def _verdicts(compared: Comparison) -> list[str]:
    """What each run is best at, in a sentence."""
    won: dict[int, dict[str, str]] = {}
    for table in compared.tables:
        for row in table.rows:
            # The last value of a metric belongs to the end of a training, not to the kept model.
            leaders = set() if row.name.endswith(LAST) else row.leaders()
            name, _, unit = row.name.removesuffix(BEST).partition(", ")
            for place in leaders:
                shown = f"{name} ({f'{row.text(place)} {unit}'.rstrip()})"
                won.setdefault(place, {}).setdefault(name, shown)
    word = "better" if len(compared.runs) == 2 else "best"
    return [
        f"{compared.runs[place].name} is {word} at {listed(won[place].values(), maximum=MAX_WON)}."
        for place in sorted(won)
    ]


def _shared(each: Sequence[Iterable[str]], *, everywhere: bool) -> list[str]:
    """Names in order of first appearance: those in all lists, or those in any list."""
    sets = [{*names} for names in each]
    union = list(dict.fromkeys(name for names in each for name in names))
    return [name for name in union if not everywhere or all(name in names for names in sets)]


def _model_rows(runs: Sequence[Run]) -> list[Row]:
    return [
        Row(name="task", values=[run.kind for run in runs], absent=UNKNOWN),
        Row(name="model", values=[run.model for run in runs], absent=UNKNOWN),
        Row(
            name="epochs trained",
            values=_floats(run.trained_epochs for run in runs),
            digits=0,
            absent=UNKNOWN,
        ),
        Row(name="epochs of the checkpoint", values=_floats(run.epoch for run in runs), digits=0),
        Row(name="steps of the checkpoint", values=_floats(run.step for run in runs), digits=0),
    ]


def _metric_rows(name: str, runs: Sequence[Run]) -> Iterator[Row]:
    better = direction(name)
    yield Row(name=f"{name}{BEST}", values=[run.best(name) for run in runs], better=better)
    yield Row(name=f"{name}{LAST}", values=[run.last(name) for run in runs], better=better)


def _speed_rows(runs: Sequence[Run]) -> list[Row]:
    rows = []
    for key, title in SPEED.items():
        values = [getattr(run.speed, key) for run in runs]
        # Runs on a CPU have no GPU memory to compare.
        if key == "memory_gib" and all(value is None for value in values):
            continue
        better = FASTER.get(key, NEITHER)
        if key == "seconds" and not _equally_long(runs):
            better = NEITHER
        rows.append(Row(name=title, values=values, better=better, digits=1, absent=UNKNOWN))
    return rows


def _equally_long(runs: Sequence[Run]) -> bool:
    """Whether all runs with a training time were trained for as many epochs."""
    return len({run.trained_epochs for run in runs if run.speed.seconds is not None}) < 2


def _speed_lead(runs: Sequence[Run]) -> str:
    lead = "Times include the validations; images/s assumes full batches."
    if not _equally_long(runs):
        lead += " The runs differ in epochs: their training times are not compared."
    if len({run.speed.hardware for run in runs}) > 1:
        lead += " The hardware differs, so times do not compare the models."
    return lead


def _size_rows(runs: Sequence[Run]) -> list[Row]:
    rows: list[Row] = []
    for key, title in SIZE.items():
        values = [getattr(run.size, key) for run in runs]
        scaled = [None if value is None else value / MILLION for value in values]
        if any(value is not None for value in scaled):
            # An absent file has no size; an unreadable model has an unknown size.
            absent = UNKNOWN if key == "parameters" else ABSENT
            rows.append(Row(name=title, values=scaled, digits=3, absent=absent))
    return rows


def _config_rows(runs: Sequence[Run]) -> list[Row]:
    configs = [run.config for run in runs]
    with_config = [config for config in configs if config]
    rows = []
    for key in _shared(configs, everywhere=False):
        texts = [_setting(config[key]) if key in config else None for config in configs]
        if len({text for text, config in zip(texts, configs, strict=True) if config}) > 1:
            rows.append(Row(name=key, values=list(texts)))
    return rows if len(with_config) > 1 else []


def _setting(value: Any) -> str:
    """A value of a config, in the syntax of the command line."""
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str)


def _floats(values: Iterable[int | None]) -> list[float | str | None]:
    return [None if value is None else float(value) for value in values]


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that can be compared."""
    return isinstance(value, int | float) and math.isfinite(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


# ------------------------------------------------------------------------------------------- files


def _run_dict(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "folder": str(run.folder),
        "task": run.kind,
        "model": run.model,
        "notes": run.notes,
    }


def write_json(compared: Comparison, path: Path) -> None:
    """Write a comparison as JSON; its folder is created if absent.

    Raises:
        ConfigError: The file cannot be written.
    """
    try:
        write_text(path, to_json(compared.to_dict(), indent=1) + "\n")
    except OSError as error:
        raise unwritten(path, error) from error


def write_csv(compared: Comparison, path: Path) -> None:
    """Write a CSV row per run, with columns for its name, its folder and each table row.

    Raises:
        ConfigError: The file cannot be written.
    """
    rows = [row for table in compared.tables for row in table.rows]
    columns = ["run", "folder", *(row.name for row in rows)]
    lines = (
        [run.name, str(run.folder), *(row.values[i] for row in rows)]
        for i, run in enumerate(compared.runs)
    )
    try:
        write_table(path, columns, lines)
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: Path, error: OSError) -> VisionError:
    """The error for a file that cannot be written."""
    return ConfigError(f"'{path}' cannot be written: {error.strerror or error}.")
