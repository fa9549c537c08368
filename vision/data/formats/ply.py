"""The vertices of PLY files, written as text or binary, in either order of bytes.

"The PLY Polygon File Format", G. Turk, 1994. Letters: P vertices.
"""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vision.errors import DataError, listed
from vision.reading import MAX_TABLE_BYTES, read_file, shown_path
from vision.wording import counted

# Bytes within which a header ends.
MAX_HEADER = 2**16
# Types of numbers by their names in headers, of the format itself and of later writers.
TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
ENCODINGS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
VERTEX = "vertex"
_END = b"end_header"


class Property(NamedTuple):
    """A property of an element.

    Attributes:
        name: Its name.
        kind: Type of a value, as of numpy and without an order of bytes.
        length: Type of the number of values, of a list; None of a single value.
    """

    name: str
    kind: str
    length: str | None = None


class Element(NamedTuple):
    """An element of a file, such as its vertices or its faces.

    Attributes:
        name: Its name.
        number: How many there are.
        properties: What each has.
    """

    name: str
    number: int
    properties: tuple[Property, ...]

    @property
    def lists(self) -> list[str]:
        """Names of the properties that are lists."""
        return [one.name for one in self.properties if one.length]

    def row(self, order: str) -> np.dtype:
        """The bytes of one, if no property is a list, by the order of bytes, `<` or `>`."""
        return np.dtype([(one.name, order + one.kind) for one in self.properties])


class Header(NamedTuple):
    """The header of a file.

    Attributes:
        order: Order of the bytes of numbers, `<` or `>`; `=` in text.
        elements: What follows, in this order.
        size: Bytes before the first element.
    """

    order: str
    elements: tuple[Element, ...]
    size: int

    @property
    def is_text(self) -> bool:
        """Whether elements are lines of text."""
        return self.order == ENCODINGS["ascii"]


def read_ply(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the properties of the vertices of a PLY file; other elements are passed over.

    Args:
        path: The file.

    Returns:
        An array `(P,)` for each property, by its name, in the order of the file; of text, float64,
        or int64 for properties of whole numbers.

    Raises:
        DataError: The file is absent, is no PLY file, has no vertices as an element, or ends
            before their last one.
    """
    data = read_file(path, max_bytes=MAX_TABLE_BYTES, what="PLY file")
    header = read_header(data, path)
    before: list[Element] = []
    for element in header.elements:
        if element.name == VERTEX:
            break
        before.append(element)
    else:
        names = listed(repr(one.name) for one in header.elements) or "none"
        raise DataError(
            f"{shown_path(path)} has no element 'vertex', but {names}: a point cloud has its "
            "points as vertices."
        )
    if element.lists:
        raise DataError(
            f"element 'vertex' of {shown_path(path)} has lists as properties "
            f"({listed(element.lists)}); expected one number each, such as 'property float x'."
        )
    if header.is_text:
        skipped = sum(one.number for one in before)
        return _text_rows(data[header.size :], element, skipped, path)
    at = header.size
    for one in before:
        at = behind(data, at, one, header.order, path)
    row = element.row(header.order)
    _require_bytes(data, at, element, row.itemsize * element.number, path)
    rows = np.frombuffer(data, row, element.number, at)
    return {name: rows[name].astype(row[name].newbyteorder("=")) for name in row.names or ()}


def read_header(data: bytes, path: str | os.PathLike[str]) -> Header:
    """Read the header of a file.

    Args:
        data: The bytes of the file.
        path: The file, for errors.

    Raises:
        DataError: It is no PLY file.
    """
    if not data.startswith(b"ply"):
        what = "is empty" if not data else "does not begin with 'ply'"
        raise DataError(f"{shown_path(path)} {what}: it is no PLY file.")
    end = data.find(_END, 0, MAX_HEADER)
    newline = data.find(b"\n", end) if end >= 0 else -1
    if newline < 0:
        raise DataError(f"the header of {shown_path(path)} has no line 'end_header'.")
    lines = data[:end].decode("latin-1").splitlines()
    order: str | None = None
    elements: list[Element] = []
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words or words[0] in ("comment", "obj_info"):
            continue
        try:
            if words[0] == "format":
                order = ENCODINGS[words[1]]
            elif words[0] == "element":
                elements.append(_element(words))
            else:
                elements[-1] = _with_property(elements[-1], words)
        except (ValueError, KeyError, IndexError) as error:
            raise DataError(
                f"{shown_path(path)}, line {number}, is {line[:60]!r}; expected a format "
                f"({', '.join(ENCODINGS)}), 'element NAME COUNT' or 'property TYPE NAME' with a "
                f"type of {', '.join([*TYPES][:8])}, and each name once."
            ) from error
    if order is None:
        raise DataError(f"the header of {shown_path(path)} has no line 'format'.")
    return Header(order, tuple(elements), newline + 1)


def _element(words: Sequence[str]) -> Element:
    _, name, text = words
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return Element(name, count, ())


def _with_property(element: Element, words: Sequence[str]) -> Element:
    if words[0] != "property":
        raise ValueError(words[0])
    if words[1] == "list":
        _, _, length, kind, name = words
        added = Property(name, TYPES[kind], TYPES[length])
    else:
        _, kind, name = words
        added = Property(name, TYPES[kind])
    if added.name in {one.name for one in element.properties}:
        raise ValueError(added.name)
    return element._replace(properties=(*element.properties, added))


def _text_rows(
    body: bytes, element: Element, skipped: int, path: str | os.PathLike[str]
) -> dict[str, np.ndarray]:
    lines = body.decode("latin-1").splitlines()
    rows = [line for line in lines if line.strip()][skipped : skipped + element.number]
    if len(rows) < element.number:
        raise DataError(
            f"element 'vertex' of {shown_path(path)} has {len(rows):,} of the "
            f"{counted(element.number, 'rows')} that its header states: the file was cut. Copy or "
            "write it again."
        )
    names = [one.name for one in element.properties]
    if not rows or not names:
        return {name: np.zeros(0) for name in names}
    try:
        table = np.loadtxt(rows, dtype=np.float64, comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(
            f"element 'vertex' of {shown_path(path)} has a row that is not "
            f"{counted(len(names), 'numbers')} ({listed(names, maximum=12)}): {error}."
        ) from error
    if table.shape[1] != len(names):
        raise DataError(
            f"element 'vertex' of {shown_path(path)} has {counted(table.shape[1], 'numbers')} in a "
            f"row; expected {len(names)}: {listed(names, maximum=12)}."
        )
    return {
        one.name: column if one.kind.startswith("f") else column.astype(np.int64)
        for one, column in zip(element.properties, table.T, strict=True)
    }


def behind(data: bytes, at: int, element: Element, order: str, path: str | os.PathLike[str]) -> int:
    """The place behind an element of a binary file that begins at a place."""
    if not element.lists:
        size = element.number * element.row(order).itemsize
        _require_bytes(data, at, element, size, path)
        return at + size
    for _ in range(element.number):
        for size in _sizes(data, at, element, order, path):
            _require_bytes(data, at, element, size, path)
            at += size
    return at


def _sizes(
    data: bytes, at: int, element: Element, order: str, path: str | os.PathLike[str]
) -> Iterator[int]:
    """Bytes of each property of an element with lists, at a place."""
    for one in element.properties:
        size = np.dtype(one.kind).itemsize
        if one.length:
            length = np.dtype(order + one.length)
            _require_bytes(data, at, element, length.itemsize, path)
            count = int(np.frombuffer(data, length, 1, at)[0])
            size = length.itemsize + max(0, count) * size
        at += size
        yield size


def _require_bytes(
    data: bytes, at: int, element: Element, size: int, path: str | os.PathLike[str]
) -> None:
    there = max(0, len(data) - at)
    if there < size:
        raise DataError(
            f"element '{element.name}' of {shown_path(path)} needs "
            f"{counted(element.number, 'rows')}, {size:,} bytes from byte {at:,} on, and "
            f"{there:,} are there: the file was cut. Copy or write it again."
        )
