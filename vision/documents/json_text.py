"""Strict reading of JSON from outside (RFC 8259), with errors that name the place.

Python's parser accepts more than JSON, and fails at some of what JSON allows: it takes NaN and
infinite numbers, turns 1e400 into infinity, keeps the last of two equal keys, and raises errors of
four types.
"""

import json
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from vision.documents.numbers import MAX_INTEGER, MIN_INTEGER
from vision.documents.text import decode_text
from vision.errors import DataError, VisionError
from vision.reading import MAX_SETTINGS_BYTES, StrPath, read_file, shown_path

_MAX_DIGITS = 20
# An escaped half of a surrogate pair: a backslash that is not itself escaped.
_LONE_SURROGATE = re.compile(
    r"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F])"
)
_LONG_INTEGER = re.compile(r"[0-9]{4301}")  # which Python does not convert
_MAX_DEPTH = 100
_SHOWN = 30  # characters


def read_json(
    path: StrPath,
    *,
    max_bytes: int = MAX_SETTINGS_BYTES,
    what: str = "file",
    error: type[VisionError] = DataError,
    finite: bool = True,
) -> Any:
    """Read a JSON file: `parse_json` of its contents.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        what: What messages call it.
        error: Class of the error.
        finite: As in `parse_json`.

    Raises:
        VisionError: Of the class `error`, as for `read_file` and `parse_json`.
    """
    data = read_file(path, max_bytes=max_bytes, what=what, error=error)
    return parse_json(data, f"{what} {shown_path(path)}", error=error, finite=finite)


def parse_json(
    data: bytes | str,
    name: str,
    *,
    error: type[VisionError] = DataError,
    finite: bool = True,
    bulk: bool = False,
) -> Any:
    """Parse JSON.

    Args:
        data: The text; bytes are UTF-8, with or without a byte-order mark.
        name: What messages call it, such as `"config 'a.json'"`.
        error: Class of the error.
        finite: Whether NaN and infinity are refused.
        bulk: For gigabytes, at the full speed of the parser: equal keys and numbers out of range
            are not looked for. The last of equal keys counts, and a number such as 1e400 is
            infinite, which the caller has to check for.

    Raises:
        VisionError: Of the class `error`: it is empty, cut off, not JSON or not UTF-8; it is nested
            too deeply, or has two equal keys in an object, a number that is not finite or has more
            than 64 bits, or half of a character. The message has the place.
    """
    text = decode_text(data, name, error=error) if isinstance(data, bytes) else data
    begin = text[:1024].lstrip()
    if not begin and not text.strip():
        raise error(f"{name} is empty ({len(data)} bytes); copy or download it again.")
    if begin.startswith("<"):
        raise error(
            f"{name} is a web page or XML, not JSON: it begins with {begin[:_SHOWN]!r}. "
            "Download the file itself."
        )
    if lone := "\\u" in text and _LONE_SURROGATE.search(text):
        raise error(
            f"{name} has half of a character (a lone surrogate) at {_place(text, lone.end())}. "
            "Write the text again in UTF-8."
        )
    try:
        value = json.loads(text, **_hooks(finite=finite, bulk=bulk))
        if not bulk:
            _check_depth(value)
    except json.JSONDecodeError as found:
        raise error(f"{name} is not valid JSON: {_fault(text, found)}") from None
    except RecursionError:
        raise error(f"{name} is not read: its JSON is nested too deeply.") from None
    except _ValueRefusedError as found:
        raise error(f"{name} is not read: {found}{_place_of(text, found.literal)}.") from None
    except ValueError:
        long = _LONG_INTEGER.search(text)
        place = f" at {_place(text, long.start())}" if long else ""
        raise error(f"{name} is not read: it has a number of thousands of digits{place}.") from None
    return value


class _ValueRefusedError(Exception):
    """What is wrong with a value, and its spelling in the text, to find its place."""

    def __init__(self, message: str, literal: str = "") -> None:
        super().__init__(message)
        self.literal = literal


def _hooks(*, finite: bool, bulk: bool) -> dict[str, Any]:
    hooks: dict[str, Callable[..., Any]] = {}
    if finite:
        hooks["parse_constant"] = _constant
    if not bulk:
        hooks |= {"parse_int": _integer, "object_pairs_hook": _unique}
        if finite:
            hooks["parse_float"] = _float
    return hooks


def _constant(literal: str) -> float:
    raise _ValueRefusedError(f"{literal} is not a number that JSON has", literal)


def _integer(literal: str) -> int:
    if len(literal) > _MAX_DIGITS or not MIN_INTEGER <= (number := int(literal)) <= MAX_INTEGER:
        raise _ValueRefusedError(
            f"a number has {len(literal):,} digits, and 64 bits do not hold it", literal
        )
    return number


def _float(literal: str) -> float:
    number = float(literal)
    if not math.isfinite(number):
        raise _ValueRefusedError(f"the number {literal[:_SHOWN]} is larger than any float", literal)
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in entries if keys.count(key) > 1)
        raise _ValueRefusedError(f"an object has the key {twice[:_SHOWN]!r} twice")
    return entries


def _check_depth(value: Any) -> None:
    """Raise an error if a value is nested too deeply to copy, compare or write it."""
    level, depth = [value], 1
    while level := [entry for outer in level for entry in _entries(outer)]:
        depth += 1
        if depth > _MAX_DEPTH:
            raise RecursionError


def _entries(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _fault(text: str, found: json.JSONDecodeError) -> str:
    end = text.rstrip()
    inside = found.pos > 0 and found.msg != "Extra data" and end[-1] not in "}]"
    if found.pos >= len(end) or inside:
        return (
            f"it ends in the middle ({found.msg}, {_place(text, found.pos)}), and looks cut off. "
            "Copy or download it again."
        )
    return f"{found.msg} at {_place(text, found.pos)}."


def _place_of(text: str, literal: str) -> str:
    """The place of a number, looked for outside of strings."""
    found = re.search(rf'(?<!["\w]){re.escape(literal)}(?!\w)', text) if literal else None
    return f" at {_place(text, found.start())}" if found else ""


def _place(text: str, position: int) -> str:
    """Line and byte of a character, and the text around it."""
    line = text.count("\n", 0, position) + 1
    byte, size = (len(part.encode("utf-8", "replace")) for part in (text[:position], text))
    near = text[max(0, position - _SHOWN) : position + _SHOWN]
    return f"line {line:,}, byte {byte:,} of {size:,}: {near!r}"
