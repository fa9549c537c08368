"""The page of a comparison: tables, and one chart per validation metric with all runs."""

import math
from collections.abc import Sequence
from pathlib import Path

from vision.draw.epochs import Epochs
from vision.metrics.directions import direction
from vision.report.charts import Axis, Series, line_chart
from vision.report.compare import VALIDATED, Comparison, Row, Table, unwritten
from vision.report.page import (
    Html,
    columns,
    details,
    escape,
    join,
    note,
    page,
    paragraph,
    section,
    signed,
    write_page,
)
from vision.report.page import table as html_table
from vision.report.runs import Line, Run

# With more runs than this, runs are the rows of a table instead of its columns.
MAX_COLUMNS = 4
# Number of metric rows and charts shown before the rest is folded.
MAX_ROWS, MAX_CHARTS = 12, 4
# Metrics that show how a training went, most telling first.
LEADING = ("val/top1", "val/box_AP", "val/mIoU", "val/mask_AP", "val/loss", "val/mBIoU")


def write_comparison(compared: Comparison, path: Path) -> Path:
    """Write the page of a comparison.

    Raises:
        ConfigError: The file cannot be written.
    """
    sections = [_section(table, compared.runs) for table in compared.tables]
    if (curves := _curves(compared)) is not None:
        place = next((i + 1 for i, t in enumerate(compared.tables) if t.title == VALIDATED), 1)
        sections.insert(place, curves)
    if compared.notes:
        sections.append(section("Notes", *map(paragraph, compared.notes)))
    names = [run.name for run in compared.runs]
    title = " and ".join(names) if len(names) < 3 else f"{len(names)} runs side by side"
    verdicts = [*map(paragraph, compared.verdicts)]
    lead = note(f"Differences are to the first run, {names[0]}. The best value is bold.")
    try:
        return write_page(
            path, page(title, sections, header=join([*verdicts, lead]) if len(names) > 1 else "")
        )
    except OSError as error:
        raise unwritten(path, error) from error


def _section(table: Table, runs: Sequence[Run]) -> Html:
    shown = _table(table.rows, table, runs)
    if len(table.rows) > MAX_ROWS and table.compared:
        leading = [row for row in table.rows if row.name.rpartition(" ")[0] in LEADING]
        leading = leading or table.rows[:MAX_ROWS]
        folded = details(f"All {len(table.rows)} rows", shown)
        shown = join([_table(leading, table, runs), folded])
    return section(table.title, shown, lead=table.lead)


def _table(rows: Sequence[Row], table: Table, runs: Sequence[Run]) -> Html:
    """A table with runs as columns, or as rows if there are many."""
    cells = [[_cell(row, i, table) for i in range(len(runs))] for row in rows]
    caption = f"{table.title} of {len(runs)} runs"
    # A config has many keys: they are always rows.
    if len(runs) <= MAX_COLUMNS or len(rows) > MAX_ROWS:
        body = [[row.name, *line] for row, line in zip(rows, cells, strict=True)]
        return html_table(["", *(run.name for run in runs)], body, caption=caption, headed=True)
    turned = [[run.name, *(line[i] for line in cells)] for i, run in enumerate(runs)]
    return html_table(["run", *(row.name for row in rows)], turned, caption=caption, headed=True)


def _cell(row: Row, place: int, table: Table) -> Html:
    text = escape(row.text(place))
    if place in row.leaders():
        text = Html(f"<strong>{text}</strong>")
    difference = row.difference(place) if table.compared else None
    if difference is None:
        return text
    return join([text, " ", signed(difference, better=row.better, digits=row.digits)])


def _curves(compared: Comparison) -> Html | None:
    """A chart of all runs per metric that was logged more than once."""
    charted = [
        name
        for name in compared.metrics
        if any(run.has(name) and len(run.lines[name].value) > 1 for run in compared.runs)
    ]
    order = [name for name in LEADING if name in charted]
    order += [name for name in charted if name not in order]
    charts = [_chart(name, compared.runs) for name in order]
    if not charts:
        return None
    more = charts[MAX_CHARTS:]
    rest = [details(f"{len(more)} more metrics", columns(*more))] if more else []
    return section(
        "Curves",
        columns(*charts[:MAX_CHARTS]),
        *rest,
        lead="Validation of all runs; a ring marks the best value of each.",
    )


def _chart(name: str, runs: Sequence[Run]) -> Html:
    better = direction(name)
    found = [run.lines.get(name, Line([], [], [])) for run in runs]
    epochs = [Epochs.of(line.step, line.epoch) for line in found]
    # Epochs and steps do not fit on one axis.
    by_epoch = all(one is not None for one, line in zip(epochs, found, strict=True) if line.step)
    # Colours go by the position of a run, also where some run lacks the metric.
    lines = [
        _series(run.name, line, known if by_epoch else None, better)
        for run, line, known in zip(runs, found, epochs, strict=True)
    ]
    x = Axis("epoch" if by_epoch else "optimiser step", 0.0)
    return line_chart(lines, x, Axis(f"{better} is better"), title=name)


def _series(name: str, line: Line, epochs: Epochs | None, better: str) -> Series:
    x = line.step if epochs is None else epochs.at(line.step).tolist()
    points = [(a, b) for a, b in zip(x, line.value, strict=True) if not math.isnan(b)]
    choose = min if better == "lower" else max
    best = choose(points, key=lambda point: point[1]) if points else None
    return Series(name, x, line.value, best)
