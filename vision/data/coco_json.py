"""The tables of a COCO file: JSON that may be cut off, wrong in form, or something else."""

import contextlib
import gc
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vision.data.coco_segments import shown
from vision.documents.json_text import parse_json
from vision.errors import DataError

_LARGEST_ID = 2**63 - 1


class Tables(NamedTuple):
    """The lists of a COCO file.

    Attributes:
        images: Entries of `images`.
        annotations: Entries of `annotations`; None if the file has no such list.
        categories: Entries of `categories`; None likewise.
    """

    images: list[Any]
    annotations: list[Any] | None
    categories: list[Any] | None


def read_tables(data: bytes, path: Path) -> Tables:
    """Parse a COCO file.

    Args:
        data: Its contents.
        path: Where they come from, for errors.

    Raises:
        DataError: It is no JSON, or not an object with the lists of COCO.
    """
    with collector_paused():
        contents = parse_json(data, f"'{path}'", finite=False, bulk=True)
    expected = (
        "Expected a COCO file: an object with the lists 'images', 'annotations', 'categories'."
    )
    if not isinstance(contents, dict):
        hint = ""
        if isinstance(contents, list) and contents and isinstance(contents[0], dict):
            hint = " (a file of predictions?)" if "score" in contents[0] else ""
        kind = "a list" if isinstance(contents, list) else "a single value"
        raise DataError(f"'{path}' holds {kind}{hint}. {expected}")
    if "images" not in contents:
        raise DataError(f"'{path}' has no 'images' (it has {shown(sorted(contents))}). {expected}")
    tables = [contents.get(name) for name in Tables._fields]
    for name, table in zip(Tables._fields, tables, strict=True):
        if name in contents and not isinstance(table, list):
            raise DataError(f"'{name}' in '{path}' is {shown(table)}, not a list. {expected}")
    return Tables(*tables)  # type: ignore[arg-type]


def complete(
    records: list[Any], keys: tuple[str, ...], table: str, problems: list[str]
) -> list[dict[str, Any]]:
    """The entries of a table that are objects with all of some keys; the others are problems."""
    try:
        # Fails at the first entry that is no object or lacks one.
        for _ in map(itemgetter(*keys), records):
            pass
    except (KeyError, TypeError):
        pass
    else:
        return records
    kept = []
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            problems.append(f"{table}[{place}] is {shown(record)}, expected an object")
        elif absent := [key for key in keys if key not in record]:
            number = f" (id {shown(record['id'])})" if "id" in record else ""
            listed = ", ".join(map(repr, absent))
            problems.append(f"{table}[{place}]{number} has no {listed}")
        else:
            kept.append(record)
    return kept


def whole_numbers(
    records: list[dict[str, Any]], key: str, table: str, problems: list[str]
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The entries whose value is a whole number, and the values, int64; others are problems."""
    values = [record[key] for record in records]
    types = set(map(type, values))
    if types - {int}:
        kept = []
        for record in records:
            value = record[key]
            if isinstance(value, float) and value.is_integer():
                kept.append({**record, key: int(value)})
            elif isinstance(value, int) and not isinstance(value, bool):
                kept.append(record)
            else:
                which = "" if key == "id" else f" {shown(record.get('id'))}"
                problems.append(
                    f"{table}{which}: '{key}' is {shown(value)}, expected a whole number"
                )
        records, values = kept, [record[key] for record in kept]
    try:
        return records, np.array(values, dtype=np.int64)
    except OverflowError:
        large = next(value for value in values if abs(value) > _LARGEST_ID)
        problems.append(f"{table}: '{key}' is {large}, expected at most {_LARGEST_ID}")
        kept = [record for record in records if abs(record[key]) <= _LARGEST_ID]
        return kept, np.array([record[key] for record in kept], dtype=np.int64)


def check_unique(ids: np.ndarray, table: str, problems: list[str]) -> None:
    """Note the ids that several entries of a table share."""
    values, counts = np.unique(ids, return_counts=True)
    for place in np.flatnonzero(counts > 1):
        problems.append(f"{table}: {counts[place]} entries have the id {values[place]}")


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Make millions of objects without the garbage collector going through them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
