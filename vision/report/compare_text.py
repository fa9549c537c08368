"""A comparison of runs as tables on the terminal."""

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from vision.report.compare import Comparison, Row, Table

# Characters that a cell has for padding and rule.
BETWEEN = 3


def print_comparison(compared: Comparison, width: int | None = None) -> None:
    """Print the tables and the notes.

    Args:
        compared: The comparison.
        width: Characters of a line; None uses those of the terminal.
    """
    console = Console(width=width, highlight=False, soft_wrap=False)
    names = [run.name for run in compared.runs]
    for table in compared.tables:
        for drawn in _draw(table, names, console.width):
            console.print(drawn)
        console.print()
    for verdict in compared.verdicts:
        console.print(Text(verdict), soft_wrap=True)
    for note in compared.notes:
        console.print(Text(f"note: {note}", style="yellow"), soft_wrap=True)


def _draw(table: Table, names: Sequence[str], width: int) -> Iterator[Grid]:
    """The rich tables of one of ours: runs as columns if they fit, or else as rows.

    As rows, the columns go into as many tables as they need.
    """
    cells = [[_cell(row, i, table.compared) for i in range(len(names))] for row in table.rows]
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


def _parts(rows: Sequence[Row], cells: Sequence[Sequence[Text]], room: int) -> Iterator[list[int]]:
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
    title: str, columns: Sequence[str], names: Sequence[str], cells: Sequence[Sequence[Text]]
) -> Grid:
    grid = Grid(title=title, box=SIMPLE_HEAD, title_justify="left", title_style="bold")
    grid.add_column("")
    for column in columns:
        grid.add_column(Text(column), justify="right", overflow="fold")
    for name, line in zip(names, cells, strict=True):
        grid.add_row(Text(name), *line)
    return grid


def _cell(row: Row, place: int, compared: bool) -> Text:
    """A value, with a star if it is the best, and with its difference to the first run."""
    best = place in row.leaders()
    text = Text(row.text(place), style="bold green" if best else "")
    text.append(" *" if best else "")
    difference = row.difference(place) if compared else None
    if difference:
        good = (difference > 0) == (row.better == "higher")
        colour = "" if not row.better else "green" if good else "red"
        text.append(f" ({difference:+,.{row.digits}f})", style=colour)
    return text
