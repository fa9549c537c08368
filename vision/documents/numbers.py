"""Integers that are read from a text: those that arrays and generators of numbers hold."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
_MAX_DIGITS = 18


def whole_number(text: str) -> int | None:
    """The number that a cell of digits alone holds; None for any other, such as a torn one."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None
