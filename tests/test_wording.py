"""Numbers with their nouns."""

import pytest

from vision.wording import counted, speed, timed


@pytest.mark.parametrize(
    ("count", "nouns", "expected"),
    [
        (1, "images", "1 image"),
        (0, "images", "0 images"),
        (1234, "images", "1,234 images"),
        (1, "training samples", "1 training sample"),
        (1, "classes", "1 class"),
        (1, "boxes", "1 box"),
        (1, "batches", "1 batch"),
    ],
)
def test_one_is_in_the_singular(count: int, nouns: str, expected: str) -> None:
    assert counted(count, nouns) == expected


@pytest.mark.parametrize(
    ("count", "seconds", "expected"),
    [
        (1000, 1.0, "1000 images/s"),
        (5, 2.0, "2.5 images/s"),
        (1, 4.0, "4.0 s/image"),
        (0, 4.0, "0.0 images/s"),
    ],
)
def test_less_than_one_a_second_is_seconds_for_each(
    count: int, seconds: float, expected: str
) -> None:
    assert speed(count, seconds, "images") == expected


def test_how_many_in_what_time() -> None:
    assert timed(1234, 100, "key frames") == "1,234 key frames in 100.0 s, 12 key frames/s"
    assert timed(1, 4, "images") == "1 image in 4.0 s, 4.0 s/image"
