"""A look at some samples: which, what is skipped, and in which order it is checked and logged."""

import logging

import pytest

from vision.data.check.looking import look_at, spread_places
from vision.errors import ImageError


class Numbers:
    """Numbers that were looked at."""

    def __init__(self) -> None:
        self.notes: list[int] = []

    def check(self, split: str) -> None:
        assert self.notes, split

    def describe(self) -> list[str]:
        return [f"{len(self.notes)} numbers"]


def read(place: int) -> int:
    if place == 5:
        raise ImageError("the file '5' is broken.")
    return 10 * place


def test_places_are_spread_evenly() -> None:
    assert spread_places(11, 3) == [0, 5, 10]
    assert spread_places(2, 3) == [0, 1]
    assert spread_places(1, 3) == [0]
    assert spread_places(0, 3) == []


def test_what_cannot_be_read_is_an_error_unless_it_is_skipped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(ImageError, match="'5' is broken"):
        look_at(Numbers(), spread_places(11, 3), read, split="train", skip=False)
    facts = Numbers()
    with caplog.at_level(logging.INFO, logger="vision"):
        look_at(facts, spread_places(11, 3), read, split="train", skip=True)
    assert facts.notes == [0, 100]
    assert caplog.messages == ["train: 2 numbers"]
