"""JSON that every reader takes: numbers that JSON does not have become null (RFC 8259)."""

import json
import math
from typing import Any


def to_json(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    """Plain values as JSON; NaN and infinities are null, floats keep their every bit.

    Args:
        value: Dicts, lists, tuples, texts, numbers, booleans and None.
        indent: As in `json.dumps`.
        compact: Whether to leave out the blanks behind commas and colons.
    """
    separators = (",", ":") if compact else None
    try:
        return json.dumps(value, indent=indent, separators=separators, allow_nan=False)
    except ValueError:  # rare: what is finite is not walked through
        return json.dumps(_finite(value), indent=indent, separators=separators, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
