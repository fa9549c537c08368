"""Compare runs: metrics, evaluation, speed, size, and what differs in their configs.

    python tools/compare.py runs/digits_convnext/version_0 runs/digits_swin/version_0
    python tools/compare.py runs/digits_convnext --html compare.html
    python tools/compare.py RUN RUN RUN --json compare.json --csv compare.csv

RUN is the folder of a run, a checkpoint in it, or runs/NAME for all versions of it. Differences are
to the first run. What a folder does not say is "unknown"; what cannot be read is noted below the
tables. The exit status is 2 if a RUN is none.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vision.cli.ending import Parser, end
from vision.outputs import check_output_file

if TYPE_CHECKING:
    from rich.console import Console

    from vision.report.compare import Comparison, Row, Table

# Width in characters of what goes to a file or a pipe.
PLAIN_WIDTH = 160
# Characters that a cell has for padding and rule.
BETWEEN = 3


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = Parser(description=__doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="folder of a run, a checkpoint in it, or runs/NAME"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values as JSON")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a row per run")
    return parser


def compare(arguments: argparse.Namespace) -> int:
    """Print the tables, and write the files that were asked for; returns the exit status."""
    for option in ("html", "json", "csv"):
        if getattr(arguments, option) is not None:
            check_output_file(getattr(arguments, option), option=f"--{option}")
    from rich.console import Console

    from vision.report.compare import compare_runs, write_csv, write_json
    from vision.report.compare_page import write_comparison
    from vision.report.runs import read_runs

    compared = compare_runs(read_runs(arguments.runs))
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_WIDTH
    show(compared, Console(width=width, highlight=False, soft_wrap=False))
    for path, write in (
        (arguments.html, write_comparison),
        (arguments.json, write_json),
        (arguments.csv, write_csv),
    ):
        if path is not None:
            write(compared, path)
            print(f"wrote {path}")
    return 0


def show(compared: "Comparison", console: "Console") -> None:
    """Print a comparison."""
    from rich.text import Text

    names = [run.name for run in compared.runs]
    for table in compared.tables:
        for drawn in draw(table, names, console.width):
            console.print(drawn)
        console.print()
    for note in compared.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def draw(table: "Table", names: Sequence[str], width: int) -> Iterator[Any]:
    """The rich tables of one of ours: runs as columns if they fit, or else as rows.

    As rows, the columns go into as many tables as they need.
    """
    cells = [[cell(row, i, table.compared) for i in range(len(names))] for row in table.rows]
    first = max(len(row.name) for row in table.rows)
    wide = [max(len(name), *(len(line[i].plain) for line in cells)) for i, name in enumerate(names)]
    # Texts of a config may be broken within their cell; a few runs are still best as columns.
    if first + sum(wide) + BETWEEN * (1 + len(names)) <= width or len(names) <= 2:
        yield _grid(table.title, names, [row.name for row in table.rows], cells)
        return
    left = max(map(len, names))
    for part in _parts(table.rows, cells, width - left - BETWEEN):
        turned = [[cells[k][i] for k in part] for i in range(len(names))]
        yield _grid(table.title, [table.rows[k].name for k in part], names, turned)


def _parts(rows: Sequence["Row"], cells: Sequence[Sequence[Any]], room: int) -> Iterator[list[int]]:
    """Numbers of the columns that go into a table each."""
    part: list[int] = []
    used = 0
    for k, row in enumerate(rows):
        needed = max(len(row.name), *(len(one.plain) for one in cells[k])) + BETWEEN
        if part and used + needed > room:
            yield part
            part, used = [], 0
        part.append(k)
        used += needed
    yield part


def _grid(
    title: str, columns: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[Any]]
) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    grid.add_column("")
    for column in columns:
        grid.add_column(Text(column), justify="right", overflow="fold")
    for name, line in zip(names, cells, strict=True):
        grid.add_row(Text(name), *line)
    return grid


def cell(row: "Row", place: int, compared: bool) -> Any:
    """A value, with a star if it is the best, and with its difference to the first run."""
    from rich.text import Text

    best = place in row.leaders()
    text = Text(row.text(place), style="bold green" if best else "")
    text.append(" *" if best else "")
    difference = row.difference(place) if compared else None
    if difference:
        good = (difference > 0) == (row.better == "higher")
        colour = "" if not row.better else "green" if good else "red"
        text.append(f" ({difference:+,.{row.digits}f})", style=colour)
    return text


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit status."""
    return end(lambda: compare(build_parser().parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
