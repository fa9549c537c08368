"""Tables as text, in columns."""

import math
from collections.abc import Mapping, Sequence

Value = int | float | str | None


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines: the first column is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in rows
    ]


def mean_table(
    rows: Sequence[Mapping[str, Value]], counts: Sequence[str], means: Mapping[str, Value]
) -> str:
    """Rows of classes, and below them the sums of their counts and their means, as text.

    Args:
        rows: A row for each class: its name under "class", its counts, and values with the names of
            the means.
        counts: Names of the counts.
        means: The means by name.
    """
    sums = {name: sum(int(row[name] or 0) for row in rows) for name in counts}
    names = ["class", *counts, *means]
    body = [*rows, {"class": "mean", **sums, **means}]
    return "\n".join(columns([names, *([cell(row[name]) for name in names] for row in body)]))


def cell(value: Value) -> str:
    """A number with four decimals, a count or a text as it is; `-` for None and NaN."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
