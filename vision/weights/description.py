"""Check the description of a model in a file by type and range, as the file is untrusted."""

import logging
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vision.contracts.models import ModelDescription
from vision.errors import CheckpointError
from vision.options import MAX_SIDE

logger = logging.getLogger(__name__)

# Far above what the suite writes: hyper-parameters of six levels, names of a few words.
MAX_DEPTH = 32
MAX_VALUES = 100_000
MAX_TEXT = 4096
MAX_CHANNELS = 1024
MAX_COUNT = 2**62
MAX_METRES = 1000
INTERPOLATIONS = ("bicubic", "bilinear")
MISSING: ModelDescription = {
    "version": "0",
    "task": "",
    "kind": None,
    "backbone": "",
    "hyper_parameters": {},
    "class_names": None,
    "input": {},
    "preprocessing": None,
    "palette": None,
    "data": None,
    "pretrained": False,
    "weights": None,
    "epoch": 0,
    "step": 0,
    "metrics": {},
    "averaged": False,
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def check_description(given: Any) -> ModelDescription:
    """Check that every value of a description has the type and the range of its key.

    Control characters in names of classes become visible escapes; in other text they are refused.

    Args:
        given: What a file holds. Keys that are absent, as in files of earlier versions, get
            neutral values; keys that are not known are left out.

    Raises:
        CheckpointError: A value is not one that the suite writes.
    """
    if not isinstance(given, Mapping):
        raise CheckpointError(
            f"its description is a {type(given).__name__}, expected a mapping. {_ADVICE}"
        )
    described = {**MISSING, **{key: given[key] for key in MISSING if key in given}}
    return {key: _CHECKS[key](value, key) for key, value in described.items()}  # type: ignore[return-value]


def check_plain(value: Any, where: str) -> Any:
    """Check plain values: numbers, text, booleans and null in bounded lists and mappings.

    Args:
        value: What a file holds.
        where: Its key, for the error.

    Returns:
        The value, with lists for tuples.

    Raises:
        CheckpointError: It holds something else, a number that is not finite, or too much.
    """
    return _Plain(where).copy(value, where, 0)


class _Plain:
    """Copies plain values, and counts them."""

    def __init__(self, where: str) -> None:
        self.where, self.count = where, 0

    def copy(self, value: Any, place: str, depth: int) -> Any:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_VALUES:
            raise _refusal(self.where, f"more than {MAX_DEPTH} levels or {MAX_VALUES:,} values")
        if isinstance(value, Mapping):
            return {
                _text(key, place): self.copy(item, f"{place}.{key}", depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.copy(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value)]
        if value is None or isinstance(value, bool):
            return value
        return _text(value, place) if isinstance(value, str) else _number(value, place)


def _refusal(where: str, found: str, expected: str = "") -> CheckpointError:
    wanted = f", expected {expected}" if expected else ""
    return CheckpointError(f"'{_shown(where)}' of its description is {found}{wanted}. {_ADVICE}")


_ADVICE = "The file is damaged, or was not written by this suite: use another copy of it."


def _shown(value: object) -> str:
    text = _CONTROL.sub("?", str(value) if isinstance(value, str) else repr(value))
    return text if len(text) <= 80 else f"{text[:80]}..."


def _kind_of(value: object) -> str:
    if isinstance(value, bool | int | float | str):
        return _shown(value) if isinstance(value, str) else repr(value)[:40]
    return f"a {type(value).__name__}"


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _refusal(where, f"or has a key that is {_kind_of(value)}", "text")
    if len(value) > MAX_TEXT or _CONTROL.search(value):
        raise _refusal(
            where, f"'{_shown(value)}'", f"text of at most {MAX_TEXT} characters, none for control"
        )
    return value


def _number(value: Any, where: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal(where, _kind_of(value), "a number")
    if abs(value) > MAX_COUNT if isinstance(value, int) else not math.isfinite(value):
        raise _refusal(where, _kind_of(value), "a finite number")
    return value


def _or_none(check: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, where: None if value is None else check(value, where)


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _refusal(where, _kind_of(value), "true or false")
    return value


def _flag_or_text(value: Any, where: str) -> bool | str:
    return value if isinstance(value, bool) else _text(value, where)


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise _refusal(where, _kind_of(value), "a whole number of 0 or more")
    return value


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _refusal(where, _kind_of(value), "a mapping")
    return check_plain(value, where)


def _names(value: Any, where: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise _refusal(where, "no list of text", "the name of each class by its index")
    if max(map(len, value), default=0) > MAX_TEXT:
        raise _refusal(where, "a list with a longer text", f"names of up to {MAX_TEXT} characters")
    names = [_CONTROL.sub(lambda found: ascii(found[0])[1:-1], name) for name in value]
    changed = [new for new, old in zip(names, value, strict=True) if new != old]
    if changed:
        logger.warning(
            "%d names of classes hold control characters, which are shown as '%s' is.",
            len(changed),
            _shown(changed[0]),
        )
    return names


def _arguments(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or value.get("class_names") is None:
        return _mapping(value, where)
    names = _names(value["class_names"], f"{where}.class_names")
    return {**_mapping({**value, "class_names": None}, where), "class_names": names}


def _palette(value: Any, where: str) -> list[list[int]]:
    try:
        colours = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise _refusal(where, "no table", _COLOURS) from error
    if colours.ndim != 2 or colours.shape[1] != 3 or colours.dtype.kind not in "iu":
        raise _refusal(where, f"a table {colours.shape} of {colours.dtype}", _COLOURS)
    if len(colours) > MAX_VALUES or colours.min() < 0 or colours.max() > 255:
        raise _refusal(where, "a table of other values", _COLOURS)
    return colours.tolist()


_COLOURS = "[red, green, blue] of each class in 0..255"


def _metrics(value: Any, where: str) -> dict[str, float]:
    return {key: _number(item, f"{where}.{key}") for key, item in _mapping(value, where).items()}


def _input(value: Any, where: str) -> dict[str, Any]:
    found = _mapping(value, where)
    checks = {
        "size": (_all(found, "size", 1, MAX_SIDE, (2,)), f"[height, width] up to {MAX_SIDE}"),
        "mean": (_all(found, "mean", -256, 256), "a number per channel"),
        "std": (_all(found, "std", 1e-6, 256), "a positive number per channel"),
        "crop": (_all({"crop": [found.get("crop", 1)]}, "crop", 1e-3, 1), "a share in (0, 1]"),
        "interpolation": (
            found.get("interpolation", "bicubic") in INTERPOLATIONS,
            " or ".join(INTERPOLATIONS),
        ),
    }
    for key, (fits, expected) in checks.items():
        if not fits:
            raise _refusal(f"{where}.{key}", _kind_of(found.get(key)), expected)
    return {key: found[key] for key in checks if key in found}


def _all(
    found: Mapping[str, Any], key: str, low: float, high: float, lengths: tuple[int, ...] = ()
) -> bool:
    if key not in found:
        return True
    values = found[key]
    if not isinstance(values, list) or not 1 <= len(values) <= MAX_CHANNELS:
        return False
    if lengths and len(values) not in lengths:
        return False
    return all(
        isinstance(one, int | float) and not isinstance(one, bool) and low <= one <= high
        for one in values
    )


def _preprocessing(value: Any, where: str) -> dict[str, Any]:
    found = _mapping(value, where)
    for key, item in found.items():
        is_number = isinstance(item, int | float) and not isinstance(item, bool)
        is_size = _all(found, key, 1, MAX_SIDE, (2,))
        is_range = _all(found, key, -MAX_METRES, MAX_METRES, (6,))
        wrong = isinstance(item, dict | list) and not (is_size or is_range)
        if wrong or (is_number and not 0 <= item <= MAX_SIDE):
            expected = (
                f"a number of 0 to {MAX_SIDE}, [height, width] up to it, or a range [x, y, z, x, "
                f"y, z] of -{MAX_METRES} to {MAX_METRES}"
            )
            raise _refusal(f"{where}.{key}", _kind_of(item), expected)
    return found


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    "version": _text,
    "task": _text,
    "kind": _or_none(_text),
    "backbone": _text,
    "hyper_parameters": _arguments,
    "class_names": _or_none(_names),
    "input": _input,
    "preprocessing": _or_none(_preprocessing),
    "palette": _or_none(_palette),
    "data": _or_none(_text),
    "pretrained": _flag_or_text,
    "weights": _or_none(_text),
    "epoch": _count,
    "step": _count,
    "metrics": _metrics,
    "averaged": _flag,
}
