"""Results of a benchmark: rows, tables, and what they were measured on; as text and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vision.benchmarks.load import Load
from vision.errors import ConfigError
from vision.files import write_text

# Of a file; another number is another form.
FORMAT = 1
LABEL_WIDTH, CELL_WIDTH = 52, 10


@dataclass(frozen=True)
class Row:
    """One figure of ours, beside that of a peer.

    Attributes:
        label: What is measured, such as `"swin_tiny, inference"`.
        unit: Such as `"ms/image"` or `"MiB/image"`; a smaller figure is better.
        ours: Our figure.
        theirs: That of the peer; None where there is no peer.
        peer: Its name, such as `"timm"`.
        ratio: Theirs over ours, above 1 where ours is better: for times the median of the rounds'
            ratios, else that of the two figures; None where there is no peer.
        low: Lower end of the ratio's 95 % confidence interval; None for counts, which are exact,
            and for a single round.
        high: Its upper end.
        rounds: Measured steps of each side; 0 for counts.
        difference: Largest difference of the two sides' outputs over the largest value, found
            before the measurement; None where none was compared.
    """

    label: str
    unit: str
    ours: float
    theirs: float | None = None
    peer: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    rounds: int = 0
    difference: float | None = None

    def __post_init__(self) -> None:
        if self.ratio is None and self.theirs is not None and self.ours:
            object.__setattr__(self, "ratio", self.theirs / self.ours)


@dataclass(frozen=True)
class Environment:
    """What a benchmark ran on.

    Attributes:
        date: Day of the run, as `2026-12-31`.
        versions: Versions of the suite, of Python and of packages.
        hardware: What `vision.machine.describe_hardware` tells.
        device: Such as `"cpu"`.
        threads: Threads of PyTorch.
        load: Load of the machine.
        commit: Of the suite's repository; None for an installed package.
    """

    date: str
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    device: str
    threads: int
    load: Load
    commit: str | None = None

    def describe(self) -> str:
        """One line: the processor or GPU, threads, versions."""
        gpus = self.hardware.get("gpus") or []
        on_gpu = gpus and self.device.startswith("cuda")
        place = gpus[0]["name"] if on_gpu else self.hardware.get("cpu", "")
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return ", ".join((place, threads, *(f"{k} {v}" for k, v in self.versions.items())))


@dataclass(frozen=True)
class Table:
    """The rows of one run.

    Attributes:
        title: What is compared.
        command: The command that was run.
        environment: What it ran on.
        rows: In the order of measurement.
        notes: Lines that belong to it, such as peers that were not measured and why.
    """

    title: str
    command: str
    environment: Environment
    rows: Sequence[Row]
    notes: Sequence[str] = ()


# ------------------------------------------------------------------------------------------ as text


def shown(value: float | None) -> str:
    """A figure with three or four digits; `-` for none."""
    if value is None:
        return "-"
    if value == int(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    decimals = 2 if abs(value) >= 1 else 4
    return f"{value:,.{0 if abs(value) >= 1000 else decimals}f}"


def shown_ratio(row: Row) -> str:
    """The ratio of a row and its interval, such as `1.09 (1.02 to 1.15)`; `-` for none."""
    if row.ratio is None:
        return "-"
    if row.low is None or row.high is None:
        return f"{row.ratio:.2f}"
    return f"{row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})"


def heading() -> str:
    """The titles above rows as text."""
    cells = f"{'ours':>{CELL_WIDTH}} {'theirs':>{CELL_WIDTH}}"
    return f"{'':{LABEL_WIDTH}} {cells}  ratio (95 % interval)"


def row_line(row: Row) -> str:
    """A row as text: label and unit, ours, theirs, ratio, and the peer's name."""
    label = f"{row.label}, {row.unit}"
    cells = f"{shown(row.ours):>{CELL_WIDTH}}"
    if row.theirs is None:
        return f"{label:{LABEL_WIDTH}} {cells}"
    beside = f" {row.peer}" if row.peer else ""
    cells = f"{cells} {shown(row.theirs):>{CELL_WIDTH}}"
    return f"{label:{LABEL_WIDTH}} {cells}  {shown_ratio(row)}{beside}"


# ------------------------------------------------------------------------------------------ as JSON


def write_tables(tables: Iterable[Table], path: Path) -> None:
    """Write tables to a file, whole or not at all."""
    contents = {"format": FORMAT, "tables": [asdict(table) for table in tables]}
    text = json.dumps(contents, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n")


def read_tables(path: Path) -> list[Table]:
    """Read what `write_tables` has written.

    Raises:
        ConfigError: The file holds no such tables.
    """
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        if contents["format"] != FORMAT:
            raise KeyError(f"format {contents['format']}")
        return [_read_table(one) for one in contents["tables"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path} holds no results of benchmarks ({type(error).__name__}: {error}). "
            "`vision benchmark NAME --json FILE` writes them."
        ) from error


def _read_table(contents: Mapping[str, Any]) -> Table:
    environment = {**contents["environment"]}
    environment["load"] = Load(**environment["load"])
    return Table(
        contents["title"],
        contents["command"],
        Environment(**environment),
        tuple(Row(**row) for row in contents["rows"]),
        tuple(contents["notes"]),
    )
