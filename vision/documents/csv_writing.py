"""Writing of comma-separated values whose texts no spreadsheet takes for formulas.

A spreadsheet computes a cell that begins with one of `=`, `+`, `-`, `@`, a tab or a line's end,
and a formula can send other cells away. Texts that begin so (names of classes, of files) get an
apostrophe before them; numbers stay numbers, also negative ones. `read_cell` removes the
apostrophe again.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vision.files import replace_file

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table, whole or not at all; its folder is made.

    Args:
        path: The file.
        columns: Names of the columns, as the suite chose them.
        rows: Cells: texts, numbers, or None for an empty one.

    Raises:
        OSError: It cannot be written.
    """

    def write(place: Path) -> None:
        # Names of files need not be UTF-8, whose other bytes become \\udc...
        with place.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow([write_cell(name) for name in columns])
            writer.writerows([write_cell(value) for value in row] for row in rows)

    replace_file(path, write)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write mappings with equal keys by `write_table`; `columns` are used if there are no rows."""
    columns = list(rows[0]) if rows else columns
    write_table(path, columns, ([row[name] for name in columns] for row in rows))


def write_cell(value: Any) -> Any:
    """The cell for a value; numbers and None stay as they are."""
    if not isinstance(value, str):
        return value
    text = value.replace("\0", "\ufffd")
    return f"'{text}" if _FORMULA.match(text) else text


def read_cell(text: str) -> str:
    """The text of a cell that `write_cell` wrote."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
