"""Parsing of a COCO file into its tables, with errors for damaged or foreign JSON."""

import contextlib
import gc
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vision.documents.json_text import parse_json
from vision.errors import DataError, shown

EXPECTED = "Expected a COCO file: an object with the lists 'images', 'annotations', 'categories'."


class Tables(NamedTuple):
    """The lists of a COCO file.

    Attributes:
        images: Entries of `images`.
        annotations: Entries of `annotations`; None if the file has no such list.
        categories: Entries of `categories`; None likewise.
    """

    images: Sequence[Any]
    annotations: Sequence[Any] | None
    categories: Sequence[Any] | None


def read_tables(data: bytes, path: Path) -> Tables:
    """Parse a COCO file.

    Args:
        data: Its contents.
        path: Where they come from, for errors.

    Raises:
        DataError: It is not JSON, or not an object with the lists of COCO.
    """
    return find_tables(load_json(data, path), f"'{path}'")


def find_tables(contents: Any, where: str) -> Tables:
    """The lists in the contents of a COCO file.

    Args:
        contents: What its JSON holds.
        where: Where they come from, for errors.

    Raises:
        DataError: They are not an object with the lists of COCO.
    """
    if not isinstance(contents, Mapping):
        hint = ""
        if isinstance(contents, list) and contents and isinstance(contents[0], dict):
            hint = " (a file of predictions?)" if "score" in contents[0] else ""
        kind = "a list" if isinstance(contents, list) else "a single value"
        raise DataError(f"{where} holds {kind}{hint}. {EXPECTED}")
    if "images" not in contents:
        raise DataError(f"{where} has no 'images' (it has {shown([*contents])}). {EXPECTED}")
    tables = [contents.get(name) for name in Tables._fields]
    for name, table in zip(Tables._fields, tables, strict=True):
        if name in contents and not isinstance(table, list | tuple):
            raise DataError(f"'{name}' in {where} is {shown(table)}, not a list. {EXPECTED}")
    return Tables(*tables)  # type: ignore[arg-type]


def load_json(data: bytes, path: Path | str) -> Any:
    """The value in a JSON file of annotations or results.

    NaN and infinite numbers are read here: `judge` then names the entry that has them.

    Args:
        data: Its contents.
        path: Where they come from, for errors.

    Raises:
        DataError: It is empty, cut off, something else, or nested too deeply.
    """
    with collector_paused():
        return parse_json(data, f"'{path}'", finite=False, bulk=True)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector while millions of objects are made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
