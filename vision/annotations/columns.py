"""Columns of a table of JSON records, converted to arrays with a line for each wrong entry.

JSON has one kind of number and no schema. Whole columns are checked at once: the types of a million
values are compared in tens of milliseconds, and entries are checked one by one only in a column
that has a value of another type.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from vision.errors import shown

Record = Mapping[str, Any]
_MAX_ID = 2**63 - 1
# Above it, a float no longer tells neighbouring whole numbers apart.
_MAX_WHOLE_FLOAT = 2**53
_INTEGERS, _FLOATS = (int, np.integer), (float, np.floating)
_BOOLEANS = (bool, np.bool_)


def complete(
    records: Sequence[Any], keys: tuple[str, ...], table: str, problems: list[str]
) -> list[Any]:
    """The entries of a table that are objects with all of some keys; the others are problems."""
    try:
        # Fails at the first entry that is not an object or lacks a key.
        for _ in map(itemgetter(*keys), records):
            pass
    except (KeyError, TypeError, IndexError):
        pass
    else:
        return list(records)
    kept = []
    for place, record in enumerate(records):
        if not isinstance(record, Mapping):
            problems.append(f"{table}[{place}] is {shown(record)}, expected an object")
        elif absent := [key for key in keys if key not in record]:
            number = f" (id {shown(record['id'])})" if "id" in record else ""
            listed = ", ".join(map(repr, absent))
            problems.append(f"{table}[{place}]{number} has no {listed}")
        else:
            kept.append(record)
    return kept


def identities(
    records: Sequence[Any], key: str, table: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The ids under a key of N entries, and which entries have one; the others are problems.

    An id is a whole number: `17`, `17.0`, or as text in decimal digits, `"17"`; not `true`.

    Args:
        records: The entries, each of which has the key.
        key: `"id"`, or the key of a reference.
        table: What an entry is called in a message.
        problems: Takes a line for each entry without an id.

    Returns:
        int64 `(N,)` and bool `(N,)`.
    """
    values = [record[key] for record in records]
    ids, refused = column(values, identity)
    for row in np.flatnonzero(refused).tolist():
        which = "" if key == "id" else f" {shown(records[row].get('id'))}"
        problems.append(
            f"{table}{which}: '{key}' is {shown(values[row])}, expected a whole number below 2**63"
        )
    return ids, ~refused


def text_ids(
    records: Sequence[Any], key: str, table: str, problems: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The ids under a key of N entries that have texts for ids, as `identities` gives numbers.

    Args:
        records: The entries, each of which has the key.
        key: `"id"`, or the key of a reference.
        table: What an entry is called in a message.
        problems: Takes a line for each entry without an id.

    Returns:
        Texts `(N,)` and bool `(N,)`.
    """
    values = [record[key] for record in records]
    good = np.array([isinstance(value, str) and bool(value) for value in values], dtype=bool)
    for row in np.flatnonzero(~good).tolist():
        problems.append(
            f"{table}: '{key}' is {shown(values[row])}, expected a text, as other ids of this file"
        )
    texts = [value if fits else "" for value, fits in zip(values, good.tolist(), strict=True)]
    return np.array(texts, dtype=np.str_), good


def take(records: Sequence[Any], chosen: np.ndarray) -> list[Any]:
    """Select entries by index or by a mask."""
    if chosen.dtype == bool:
        if chosen.all():
            return list(records)
        chosen = np.flatnonzero(chosen)
    return [records[place] for place in chosen.tolist()]


def identity(value: Any) -> int | None:
    """The id that a value stands for, as `identities` reads it; None if it is not an id."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_MAX_ID))):
            return None
        number: int | None = int(value)
    else:
        number = whole(value)
    return number if number is not None and abs(number) <= _MAX_ID else None


def whole(value: Any) -> int | None:
    """The whole number that a JSON number stands for, `17` or `17.0`; None for anything else."""
    if isinstance(value, _BOOLEANS):
        return None
    if isinstance(value, _INTEGERS):
        return int(value)
    if isinstance(value, _FLOATS):
        number = float(value)
        if abs(number) <= _MAX_WHOLE_FLOAT and number.is_integer():
            return int(number)
    return None


def flag(value: Any) -> int | None:
    """0 or 1 of `0`, `1`, `0.0`, `1.0`, `false` or `true`; 0 of None; None for anything else."""
    if value is None or isinstance(value, _BOOLEANS):
        return int(bool(value))
    number = whole(value)
    return number if number is not None and number in (0, 1) else None


def finite(value: Any) -> float | None:
    """A finite number as float; None for anything else: text, `true`, NaN, infinity."""
    if isinstance(value, _BOOLEANS) or not isinstance(value, _INTEGERS + _FLOATS):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def plain_floats(values: list[Any]) -> np.ndarray | None:
    """A column of finite numbers as float64; None if one is not, or not of Python's own types."""
    if not set(map(type, values)) <= {int, float}:
        return None
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return numbers if np.isfinite(numbers).all() else None


def are_numbers(types: Iterable[type]) -> bool:
    """Whether values of these types are all numbers; booleans are not."""
    return all(issubclass(t, _INTEGERS + _FLOATS) and not issubclass(t, _BOOLEANS) for t in types)


def column(
    values: list[Any], convert: Callable[[Any], int | None]
) -> tuple[np.ndarray, np.ndarray]:
    """A column as int64, and a bool mask of the refused rows, which are 0.

    Args:
        values: The values, as JSON gives them.
        convert: `identity`, `whole` or `flag`.
    """
    if convert is not flag and set(map(type, values)) <= {int}:
        with contextlib.suppress(OverflowError):
            return np.array(values, dtype=np.int64), np.zeros(len(values), dtype=bool)
    numbers = list(map(convert, values))
    refused = np.array([number is None or abs(number) > _MAX_ID for number in numbers], dtype=bool)
    for row in np.flatnonzero(refused).tolist():
        numbers[row] = 0
    return np.array(numbers, dtype=np.int64), refused


def check_unique(ids: np.ndarray, table: str, problems: list[str]) -> None:
    """Add a problem for each id that several entries of a table share."""
    values, counts = np.unique(ids, return_counts=True)
    for place in np.flatnonzero(counts > 1):
        problems.append(f"{table}: {counts[place]} entries have the id {values[place]}")
