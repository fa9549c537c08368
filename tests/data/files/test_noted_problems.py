"""Problems are an error with the first of them, or a list where they are collected."""

import pytest

from vision.data.files.noted_problems import NotedProblems
from vision.errors import DataError

PROBLEMS = ["a is\nbroken", "b", "c", "d", "e"]


def test_problems_are_an_error_unless_they_are_collected() -> None:
    noted = NotedProblems()
    noted.note([], "nothing", "end")
    with noted.collected() as found:
        noted.note(PROBLEMS[:1], "1 file", "end")
        noted.note(PROBLEMS[1:], "4 files", "end")
    assert found == PROBLEMS
    with pytest.raises(DataError) as caught:
        noted.note(PROBLEMS, "5 files", "end")
    assert str(caught.value).splitlines() == [
        *("5 files:", "  a is broken", "  b", "  c", "  and 2 more", "end")
    ]
