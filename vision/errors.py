"""The exceptions that users see: what was wrong, where, what was expected and how to fix it.

The command line prints the message of a `VisionError` without a traceback and exits with code 2.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

# A suggestion whose likeness to what was given is less by this, of 1, is left out.
MUCH_LESS_NEAR = 0.25


class VisionError(Exception):
    """Something that the user can fix; the message is complete without a traceback."""

    def __init__(self, message: str) -> None:
        # PyTorch raises a data worker's error again, with the whole traceback as its message.
        own = f"{type(self).__module__}.{type(self).__qualname__}: "
        super().__init__(message.rpartition(own)[2].rstrip())


class ConfigError(VisionError, ValueError):
    """A name, key or value given to the suite is not one that it accepts."""


class DataError(VisionError, ValueError):
    """A dataset file is absent, unreadable or not in its format."""


class ImageError(DataError):
    """An image file is absent, broken or not an image; other files may be intact."""


class WeightsError(VisionError, ValueError):
    """A weights file is absent, unsafe, or does not fit the model."""


class CheckpointError(VisionError, RuntimeError):
    """A checkpoint of a run cannot be written or read."""


class NonFiniteError(VisionError, ArithmeticError):
    """A loss or a gradient is infinite or not a number."""


class MissingPackageError(VisionError, ImportError):
    """An optional package is needed; the message holds the line that installs it."""


def suggest(name: str, choices: Iterable[str], *, maximum: int = 3) -> str:
    """Suggest the choices nearest to a misspelt name.

    Args:
        name: What was given.
        choices: What would have been accepted.
        maximum: The largest number of suggestions.

    Returns:
        `" Did you mean 'a' or 'b'?"` with a leading space, or the empty string if nothing is near.
    """
    near = difflib.get_close_matches(name, list(choices), n=maximum, cutoff=0.5)
    if not near:
        return ""
    best = _likeness(name, near[0])
    near = [choice for choice in near if _likeness(name, choice) >= best - MUCH_LESS_NEAR]
    return f" Did you mean {' or '.join(repr(choice) for choice in near)}?"


def _likeness(name: str, choice: str) -> float:
    return difflib.SequenceMatcher(None, choice, name).ratio()


def listed(names: Iterable[object], *, maximum: int = 5) -> str:
    """The first few of some names on one line, and how many more there are."""
    first = [str(name) for name in names]
    more = f" and {len(first) - maximum} more" if len(first) > maximum else ""
    return ", ".join(first[:maximum]) + more


def listed_lines(messages: Sequence[str], *, maximum: int = 3) -> str:
    """The first few messages, a line each, and how many more there are."""
    lines = [f"  {message}" for message in messages[:maximum]]
    more = len(messages) - maximum
    return "\n".join([*lines, *([f"  and {more} more"] if more > 0 else [])])


def shown(value: Any, maximum: int = 60) -> str:
    """A value as Python writes it, on one line, cut to a length."""
    if isinstance(value, str):
        value = value[: maximum + 1]
    try:
        text = repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a value with a number of thousands of digits"
    except RecursionError:
        return "lists within lists without end"
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate
    return text if len(text) <= maximum else f"{text[:maximum]}..."
