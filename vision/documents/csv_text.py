"""Tables of comma-separated values from outside (RFC 4180), a dict for each row."""

import csv
import io
from collections.abc import Sequence
from contextlib import suppress

from vision.documents.text import read_text
from vision.errors import DataError, VisionError
from vision.reading import MAX_TABLE_BYTES, StrPath, read_file, shown_path


def read_csv(
    path: StrPath,
    *,
    columns: Sequence[str] = (),
    max_bytes: int = MAX_TABLE_BYTES,
    what: str = "file",
    error: type[VisionError] = DataError,
) -> list[dict[str, str]]:
    """Read a CSV file with a header: `parse_csv` of its contents.

    Args:
        path: The file.
        columns: As in `parse_csv`.
        max_bytes: Largest size that is read.
        what: What messages call it.
        error: Class of the error.

    Raises:
        VisionError: Of the class `error`, as for `read_text` and `parse_csv`.
    """
    text = read_text(path, max_bytes=max_bytes, what=what, error=error)
    return parse_csv(text, f"{what} {shown_path(path)}", columns=columns, error=error)


def parse_csv(
    text: str, name: str, *, columns: Sequence[str] = (), error: type[VisionError] = DataError
) -> list[dict[str, str]]:
    """Parse comma-separated values with a header.

    Args:
        text: The table.
        name: What messages call it.
        columns: Columns that it must have.
        error: Class of the error.

    Returns:
        Cell by column for each row, every cell a text; empty lines are left out, and cells missing
        at the end of a row, as a killed process leaves them, are empty.

    Raises:
        VisionError: Of the class `error`: a column is absent or there twice, a row has more cells
            than the header, a cell has a NUL or more characters than the `csv` module reads, or a
            quote is not closed. The message has the line.
    """
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise error(f"{name}, line {line:,}: there is a NUL character; the file is damaged.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(header, name, columns, error)
        rows = []
        for cells in reader:
            if len(cells) > len(header):
                raise error(
                    f"{name}, line {reader.line_num:,}: the row has {len(cells)} cells, the header "
                    f"has {len(header)}."
                )
            if cells:
                absent = [""] * (len(header) - len(cells))
                rows.append(dict(zip(header, [*cells, *absent], strict=True)))
    except csv.Error as found:
        raise error(f"{name}, line {reader.line_num:,}: not valid CSV: {found}.") from None
    return rows


def _check_header(
    header: list[str], name: str, columns: Sequence[str], error: type[VisionError]
) -> None:
    if absent := [column for column in columns if column not in header]:
        found = ", ".join(map(repr, header[:8])) or "nothing"
        raise error(f"{name} has no column {absent[0]!r}; its first line has {found}.")
    if twice := [column for column in header if header.count(column) > 1]:
        raise error(f"{name} has the column {twice[0]!r} twice. Rename one.")


def read_log(
    path: StrPath, *, what: str = "log", error: type[VisionError] = DataError
) -> list[dict[str, str]]:
    """Read the rows of a log that a killed process or a full disk may have damaged.

    What is not UTF-8 is replaced, NULs are left out, cells beyond the header are dropped, and
    incomplete rows are kept: the caller skips rows without the cell that it needs.

    Args:
        path: The file.
        what: What messages call it.
        error: Class of the error.

    Returns:
        Cell by column for each row; absent cells are empty.

    Raises:
        VisionError: Of the class `error`, as for `read_file`.
    """
    data = read_file(path, max_bytes=MAX_TABLE_BYTES, what=what, error=error)
    text = data.decode("utf-8-sig", "replace").replace("\0", "")
    reader: csv.DictReader[str] = csv.DictReader(io.StringIO(text, newline=""), restval="")
    rows = []
    with suppress(csv.Error):  # a quote that was never closed
        for row in reader:
            row.pop(None, None)
            rows.append(row)
    return rows
