"""Whether values are what annotations stand for: of strangers, and of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from vision.tasks.fitting import find_misfit, fits, hints_of, literals, shown_hint


@dataclass
class Settings:
    kind: Literal["a", "b"] = "a"
    sizes: Sequence[int] = (1,)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (True, bool, True),
        (1, bool, False),
        (None, int | None, True),
        (None, int, False),
        ("a", str, False),
        ("a", Literal["a", 1], True),
        ("b", Literal["a", 1], False),
        (True, Literal["a", 1], False),
        ([1, 2], Sequence[int], True),
        ([1, "2"], Sequence[int], False),
        ("12", Sequence[int], False),
        ([1, 2], tuple[int, int], True),
        ([1, 2, 3], tuple[int, int], False),
        ([1, 2, 3], tuple[int, ...], True),
        ([[1, 2], None], Sequence[Sequence[int] | None], True),
        ({"a": 1.5}, Mapping[str, float], True),
        ({"a": "b"}, Mapping[str, float], False),
        ({"kind": "b", "sizes": [2]}, Settings, True),
        ({"kind": "c"}, Settings, False),
        ({"other": 1}, Settings, False),
        ({"kind": "c"}, Settings | Mapping[str, Any] | None, False),
        ({"a": [1, {"b": None}]}, Any, True),
        ({"a": [1, {"b": "c"}]}, Any, False),
        ("a", Any, False),
    ],
)
def test_values_of_strangers(value: Any, hint: Any, expected: bool) -> None:
    assert fits(value, hint) is expected


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("a", str, True),
        (1, str, False),
        ("a", Any, True),
        ("b", Literal["a", 1], False),
        (Settings(), Settings, True),
        (Settings(), Settings | Mapping[str, Any] | None, True),
        ({"kind": "c"}, Settings | Mapping[str, Any], False),
        ({"other": 1}, Settings | Mapping[str, Any], True),  # named by who reads it
        ({"a": "b"}, Mapping[str, Any] | bool | None, True),
        (["a"], Sequence[str], True),
        ("a", int | None, False),
    ],
)
def test_values_of_people(value: Any, hint: Any, expected: bool) -> None:
    assert fits(value, hint, text=True) is expected


def test_annotations_are_those_of_the_named_parameters() -> None:
    class Part:
        def __init__(self, dim: int, *, name=None, **more: Any) -> None: ...

    assert hints_of(Part) == {"dim": int, "name": Any}
    assert shown_hint(Sequence[int] | None) == "Sequence[int] | None"


def test_the_option_that_does_not_fit_is_found_within_others() -> None:
    hint = Settings | Mapping[str, Any] | None
    assert find_misfit("top", {"kind": "b", "sizes": [1]}, hint) is None
    assert find_misfit("top", {"kind": "c"}, hint) == ("top.kind", "c", Literal["a", "b"])
    assert find_misfit("top", {"sizes": 3}, hint) == ("top.sizes", 3, Sequence[int])
    assert find_misfit("top", 3, hint) == ("top", 3, hint)


def test_values_of_literals() -> None:
    assert literals(Literal["a", 1] | None) == ("a", 1)
    assert literals(int | None) == ()
