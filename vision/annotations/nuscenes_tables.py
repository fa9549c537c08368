"""nuScenes' JSON tables, read record by record into columns of NumPy.

A table is a list of records with a token each; records refer to each other by tokens. Those of all
sensor readings and poses have 2.6 million records, of which few are needed, so that a table is
never in memory as Python's objects.

Letters: N records.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.annotations.coco import problems_error
from vision.annotations.coco_tables import collector_paused
from vision.annotations.columns import complete, finite, whole
from vision.documents.json_stream import JsonStream, open_json
from vision.errors import DataError, shown

MAX_TOKEN = 64
_BLOCK = 2**14  # records that are converted at once
# More are not looked for: the table is another one.
_MAX_PROBLEMS = 100
_REMEDY = "Unpack the archive of the metadata again."

Record = Mapping[str, Any]


class Kind(NamedTuple):
    """What a column holds.

    Attributes:
        expected: In messages.
        convert: Takes the values to an array, and gives None if one of them does not fit.
        fits: Whether one value does, to find it.
    """

    expected: str
    convert: Callable[[list[Any]], np.ndarray | None]
    fits: Callable[[Any], bool]


class Table(NamedTuple):
    """The columns of a table that were asked for.

    Attributes:
        path: The file.
        tokens: bytes `(N,)`, unique.
        columns: Arrays `(N, ...)` by name.
        order: int64 `(N,)`, records by ascending token.
    """

    path: Path
    tokens: np.ndarray
    columns: dict[str, np.ndarray]
    order: np.ndarray

    def rows(self, tokens: np.ndarray) -> np.ndarray:
        """Row of each token, int64; -1 for those that the table does not have."""
        if not len(self.tokens):
            return np.full(len(tokens), -1, dtype=np.int64)
        ascending = self.tokens[self.order]
        places = np.searchsorted(ascending, tokens).clip(max=len(ascending) - 1)
        return np.where(ascending[places] == tokens, self.order[places], -1)

    def follow(self, key: str, other: "Table", *, optional: bool = False) -> np.ndarray:
        """Rows of another table that a column of tokens leads to, int64 `(N,)`.

        Args:
            key: The column.
            other: The table that it refers to.
            optional: Whether a token may be empty, which gives -1.

        Raises:
            DataError: The other table has no such token.
        """
        wanted = self.columns[key]
        rows = other.rows(wanted)
        lost = (rows < 0) & ((wanted != b"") | (not optional))
        if lost.any():
            problems = [
                f"token '{self.tokens[row].decode()}': '{key}' is '{wanted[row].decode()}', which "
                f"'{other.path.name}' does not have"
                for row in np.flatnonzero(lost)[:_MAX_PROBLEMS]
            ]
            raise problems_error(f"'{self.path}'", problems, _REMEDY)
        return rows

    def select(self, chosen: np.ndarray) -> "Table":
        """Some of the records, by index or by a mask."""
        tokens = self.tokens[chosen]
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Table(self.path, tokens, columns, np.argsort(tokens, kind="stable"))


def read_table(
    folder: Path,
    name: str,
    kinds: Mapping[str, Kind],
    *,
    keep: Callable[[Record], bool] | None = None,
) -> Table:
    """Read the columns of a table.

    Args:
        folder: Folder of the tables, such as `v1.0-trainval`.
        name: Name of the table.
        kinds: The columns beside `token`.
        keep: Selects records that are read; all by default. A record without what it looks at is
            refused.

    Raises:
        DataError: The file is absent or no list of records, or a record lacks a key or has a value
            of another kind, or two have one token; the message has file, token and key.
    """
    path = folder / f"{name}.json"
    if not folder.is_dir():
        raise DataError(
            f"there is no folder '{folder}' (looked at {folder.resolve()}). Expected the folder of "
            "nuScenes' tables, such as v1.0-trainval."
        )
    every = {"token": TOKEN, **kinds}
    parts: list[list[np.ndarray]] = []
    problems: list[str] = []
    with open_json(path, what="table") as stream, collector_paused():
        records = _records(stream, every, keep, problems)
        while block := list(islice(records, _BLOCK)):
            converted = [_column(block, key, kind, problems) for key, kind in every.items()]
            if not problems:
                parts.append(converted)
            if len(problems) >= _MAX_PROBLEMS:
                break
    if problems:
        raise problems_error(f"'{path}'", problems, _REMEDY)
    parts = parts or [[_column([], key, kind, problems) for key, kind in every.items()]]
    tokens, *columns = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(tokens, kind="stable")
    same = np.flatnonzero(tokens[order][1:] == tokens[order][:-1])
    if len(same):
        problems = [f"token '{tokens[order[row]].decode()}' occurs twice" for row in same]
        raise problems_error(f"'{path}'", problems, _REMEDY)
    return Table(path, tokens, dict(zip(kinds, columns, strict=True)), order)


def _records(
    stream: JsonStream,
    kinds: Mapping[str, Kind],
    keep: Callable[[Record], bool] | None,
    problems: list[str],
) -> Iterator[Any]:
    """The records that are kept and have all keys; those that have not are problems."""
    keys = tuple(kinds)
    for number, record in enumerate(stream.items(), start=1):
        try:
            if keep is not None and not keep(record):
                continue
            for key in keys:
                record[key]
        except (KeyError, TypeError):
            found: list[str] = []
            complete([record], keys, "record", found)
            token = f" (token {shown(record['token'])})" if _has_token(record) else ""
            fault = found[0].removeprefix("record[0]") if found else " is not as expected"
            problems.append(f"record {number:,}{token}{fault}")
            if len(problems) >= _MAX_PROBLEMS:
                return
            continue
        yield record
    stream.finish()


def _has_token(record: Any) -> bool:
    return isinstance(record, Mapping) and "token" in record


def _column(records: list[Any], key: str, kind: Kind, problems: list[str]) -> np.ndarray:
    values = [record[key] for record in records]
    array = kind.convert(values)
    if array is not None:
        return array
    wrong = [row for row, value in enumerate(values) if not kind.fits(value)]
    # Values that fit one by one but not together are few: numbers of more than 64 bits.
    problems.extend(
        f"token {shown(records[row]['token'])}: '{key}' is {shown(values[row])}, expected "
        f"{kind.expected}"
        for row in wrong or range(1)
    )
    return np.zeros(0)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_TOKEN and value.isascii()


def _tokens(values: list[Any]) -> np.ndarray | None:
    if not all(map(_is_token, values)):
        return None
    return np.array(values, dtype=np.bytes_)


def _is_link(value: Any) -> bool:
    return value == "" or _is_token(value)


def _links(values: list[Any]) -> np.ndarray | None:
    return np.array(values, dtype=np.bytes_) if all(map(_is_link, values)) else None


def _is_single(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 1 and all(map(_is_token, value))


def _singles(values: list[Any]) -> np.ndarray | None:
    if not all(map(_is_single, values)):
        return None
    return np.array([value[0] if value else "" for value in values], dtype=np.bytes_)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and value.isprintable()


def _texts(values: list[Any]) -> np.ndarray | None:
    if not all(map(_is_text, values)):
        return None
    return np.array([value.encode() for value in values], dtype=np.bytes_)


def _is_whole(value: Any) -> bool:
    number = whole(value)
    return number is not None and abs(number) < 2**63


def _wholes(values: list[Any]) -> np.ndarray | None:
    return np.array(list(map(int, values)), np.int64) if all(map(_is_whole, values)) else None


def _flags(values: list[Any]) -> np.ndarray | None:
    return np.array(values, dtype=bool) if set(map(type, values)) <= {bool} else None


def vector(
    length: int, expected: str, accepted: Callable[[np.ndarray], bool] | None = None
) -> Kind:
    """A kind of column: lists of finite numbers, float64 `(N, length)`.

    Args:
        length: Numbers of each record.
        expected: In messages.
        accepted: Whether all rows of `(N, length)` are; any are by default.
    """

    def convert(values: list[Any]) -> np.ndarray | None:
        array = _numbers(values, (length,))
        return array if array is not None and (not accepted or accepted(array)) else None

    def single(value: Any) -> bool:
        numeric = isinstance(value, list) and all(finite(one) is not None for one in value)
        return numeric and convert([value]) is not None

    return Kind(expected, convert, single)


def _intrinsics(values: list[Any]) -> np.ndarray | None:
    return _numbers([value if value != [] else [[0.0] * 3] * 3 for value in values], (3, 3))


def _numbers(values: list[Any], shape: tuple[int, ...]) -> np.ndarray | None:
    """Lists of finite numbers as float64 `(N, *shape)`; None if one is anything else."""
    if not values:
        return np.zeros((0, *shape))
    try:
        array = np.array(values)
    except ValueError:  # lists of several lengths
        return None
    if array.dtype.kind not in "iuf" or array.shape != (len(values), *shape):
        return None
    return array.astype(np.float64) if np.isfinite(array).all() else None


TOKEN = Kind("a token: a text of letters and digits", _tokens, _is_token)
LINK = Kind("a token, or an empty text", _links, _is_link)
SINGLE = Kind("a list of one token or none", _singles, _is_single)
TEXT = Kind("a text", _texts, _is_text)
FLAG = Kind("true or false", _flags, lambda value: isinstance(value, bool))
WHOLE = Kind("a whole number", _wholes, _is_whole)
PLACE = vector(3, "three finite numbers")
SIZE = vector(3, "three numbers above 0", lambda rows: bool((rows > 0).all()))
QUATERNION = vector(
    4,
    "four numbers that are not all 0",
    lambda rows: bool((np.linalg.norm(rows, axis=1) > 1e-6).all()),
)
INTRINSICS = Kind(
    "three rows of three finite numbers, or an empty list",
    _intrinsics,
    lambda value: _intrinsics([value]) is not None,
)
