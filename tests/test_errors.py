import pickle

import pytest

from vision.errors import (
    ConfigError,
    DataError,
    MissingPackageError,
    VisionError,
    WeightsError,
    listed,
    listed_lines,
    shown,
    suggest,
)

NAMES = ["swin_tiny", "swin_small", "swin_base", "convnext_tiny", "cvt_13"]


@pytest.mark.parametrize(
    ("name", "first"),
    [("swin_tiney", "swin_tiny"), ("swintiny", "swin_tiny"), ("convnxt_tiny", "convnext_tiny")],
)
def test_the_nearest_choice_comes_first(name: str, first: str) -> None:
    assert suggest(name, NAMES).startswith(f" Did you mean '{first}'")


def test_the_number_of_suggestions_is_limited() -> None:
    assert suggest("swin_base", NAMES, maximum=1) == " Did you mean 'swin_base'?"
    assert suggest("swin", NAMES, maximum=2).count(" or ") == 1


@pytest.mark.parametrize("choices", [[], NAMES])
def test_nothing_near_gives_nothing(choices: list[str]) -> None:
    assert suggest("zzzz", choices) == ""


def test_any_iterable_of_choices_will_do() -> None:
    assert suggest("depht", (name for name in ("depth", "dims"))) == " Did you mean 'depth'?"


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError, ValueError),
        (DataError, ValueError),
        (WeightsError, ValueError),
        (MissingPackageError, ImportError),
    ],
)
def test_errors_are_caught_as_their_builtin_kind(error: type, builtin: type) -> None:
    assert issubclass(error, VisionError)
    assert issubclass(error, builtin)
    assert str(error("what and how")) == "what and how"


def test_errors_cross_processes_with_their_message() -> None:
    error = pickle.loads(pickle.dumps(DataError("image 'a.png' is empty")))
    assert type(error) is DataError
    assert str(error) == "image 'a.png' is empty"
    # What PyTorch makes of the error of a data worker.
    trace = "Caught DataError in DataLoader worker process 0.\nTraceback ...\n  File x\n"
    again = DataError(f"{trace}vision.errors.DataError: image 'a.png' is empty\n")
    assert str(again) == "image 'a.png' is empty"


def test_values_of_any_kind_are_shown_on_one_line() -> None:
    assert shown("a\nb") == "'a\\nb'"
    assert shown("\ud800").isprintable()
    assert len(shown("x" * 10**6)) < 70
    assert shown(10**9000).endswith("a number of thousands of digits")


def test_of_many_names_the_first_are_listed() -> None:
    assert listed("abc") == "a, b, c"
    assert listed(range(7), maximum=2) == "0, 1 and 5 more"
    assert listed_lines(["a", "b", "c"], maximum=2) == "  a\n  b\n  and 1 more"
