"""The table of class names of ADE20K's scene parsing benchmark."""

import os

from vision.documents.text import read_text
from vision.errors import DataError
from vision.reading import MAX_SETTINGS_BYTES


def read_class_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read the names of a dataset's classes from its `objectInfo150.txt`.

    The table has a row of headings and a row per class, separated by tabs. The column `Idx`, the
    value of a class in the annotations, counts from 1. The column `Name` lists names of a class,
    of which the first is used. Other columns are ignored.

    Args:
        path: The table.

    Returns:
        The name of each class, by label, which is `Idx` - 1.

    Raises:
        DataError: The table is absent or not text, lacks a column, has rows that are not numbered
            from 1 in order, more than 255 rows, or a name twice.
    """
    lines = read_text(path, max_bytes=MAX_SETTINGS_BYTES, what="list of classes").splitlines()
    headings = [word.strip() for word in lines[0].split("\t")] if lines else []
    if not {"Idx", "Name"} <= {*headings}:
        raise DataError(
            f"'{path}' begins with the columns {', '.join(headings) or 'of an empty file'}; "
            "expected Idx and Name among them, separated by tabs."
        )
    places = headings.index("Idx"), headings.index("Name")
    names: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.strip():
            names.append(_name_of(line, places, f"'{path}', line {number}", names))
    if not 0 < len(names) < 256:
        raise DataError(f"'{path}' has {len(names)} classes, expected 1 to 255.")
    return tuple(names)


def _name_of(line: str, places: tuple[int, int], where: str, before: list[str]) -> str:
    words = line.split("\t")
    if len(words) <= max(places):
        raise DataError(f"{where}: {len(words)} columns, not as many as in the first line.")
    index, name = words[places[0]].strip(), words[places[1]].partition(",")[0].strip()
    if index != str(len(before) + 1):
        raise DataError(
            f"{where}: Idx is '{index}', expected {len(before) + 1}: rows must be in order."
        )
    if not name or name in before:
        what = (
            f"'{name}' is the name of class {before.index(name) + 1} as well" if name else "no name"
        )
        raise DataError(f"{where}: {what}; each class needs one of its own.")
    return name
