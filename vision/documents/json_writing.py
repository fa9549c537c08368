"""Writing of strict JSON (RFC 8259): NaN becomes null, invalid characters are escaped."""

import json
import math
from typing import Any


def to_json(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    r"""Plain values as JSON; floats keep their every bit.

    NaN and infinities are null. Bytes of file names that are not UTF-8, and other halves of
    characters, become text such as `\udce9`.

    Args:
        value: Dicts, lists, tuples, texts, numbers, booleans and None.
        indent: As in `json.dumps`.
        compact: Whether to leave out the blanks behind commas and colons.
    """
    separators = (",", ":") if compact else None
    try:
        text = json.dumps(value, indent=indent, separators=separators, allow_nan=False)
        if "\\ud" not in text:  # nothing to escape
            return text
    except ValueError:
        pass
    return json.dumps(_plain(value), indent=indent, separators=separators, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return spelt(value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def spelt(text: str) -> str:
    """A text that UTF-8 can hold: lone surrogates are escaped."""
    return text.encode("utf-8", "backslashreplace").decode()
