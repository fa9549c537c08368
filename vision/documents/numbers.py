"""Reading of integers from texts."""

MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**64 - 1
_MAX_DIGITS = 18


def whole_number(text: str) -> int | None:
    """The number in a cell of digits only; None for any other, such as a cut one."""
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None
