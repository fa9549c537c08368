"""Groups of options from mappings."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.options import Range, check_number, check_ranges, read_options


@dataclass(frozen=True)
class Colours:
    red: float = 0.5
    green: float = 0.5


def test_an_instance_is_itself_and_a_mapping_replaces_some_options() -> None:
    given = Colours(red=1.0)
    assert read_options(Colours, given, group="colours") is given
    assert read_options(Colours, {"green": 0.1}, group="colours") == Colours(0.5, 0.1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gren": 0.1}, ("colours.gren", "'green'", "red, green")),
        (0.1, ("colours=0.1", "options")),
    ],
)
def test_what_is_no_option_is_named(values: object, message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        read_options(Colours, values, group="colours")


RATE = Range(above=0, maximum=1)
PAIR = Range(minimum=1, below=10, length=2, ascending=True, unit="pixels", optional=True)


@pytest.mark.parametrize(
    ("range_", "inside", "outside"),
    [
        (Range(minimum=0), (0, 1e9), (-1, math.inf, math.nan, None, True, "1", [1])),
        (RATE, (1e-9, 1), (0, 1.1)),
        (PAIR, ((1, 1), [2, 9.5], None), ((2, 1), (1,), (1, 2, 3), (0, 1), (1, 10), "12", 1)),
        (Range(maximum=3, length=0), ([3], (-1, 2, 3)), ([], [4])),
    ],
)
def test_what_a_range_holds(
    range_: Range, inside: Sequence[object], outside: Sequence[object]
) -> None:
    assert [range_.holds(value) for value in inside] == [True] * len(inside)
    assert [range_.holds(value) for value in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    ("range_", "words"),
    [
        (RATE, "above 0 and at most 1"),
        (Range(minimum=0, maximum=2**15, unit="pixels"), "from 0 to 32,768 pixels"),
        (Range(minimum=1), "1 or more"),
        (Range(above=0, below=1), "above 0 and below 1"),
        (PAIR, "2 numbers in ascending order, each 1 or more and below 10 pixels, or null"),
        (Range(above=0, length=0), "one or more numbers, each above 0"),
    ],
)
def test_a_range_in_words(range_: Range, words: str) -> None:
    assert str(range_) == words


def test_the_first_option_out_of_its_range_is_named() -> None:
    ranges = {"rate": RATE, "mode": ("whole", "slide")}
    check_ranges({"rate": 0.5, "mode": "slide", "other": -1}, ranges)
    with pytest.raises(ConfigError, match="rate=0 must be above 0 and at most 1"):
        check_ranges({"rate": 0, "mode": "slid"}, ranges)
    with pytest.raises(ConfigError, match=r"run\.mode='slid' .*'whole' or 'slide'.*'slide'"):
        check_ranges({"rate": 1, "mode": "slid"}, ranges, group="run")
    with pytest.raises(ConfigError, match="rate=2 must be at most 1 pixels"):
        check_number("rate", 2, maximum=1, unit="pixels")
