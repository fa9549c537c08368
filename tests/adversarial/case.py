"""One kind of bad input: how it is made, what reads it, and the outcome that it must have."""

import contextlib
import io
import logging
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers.undrawn import undrawn

from vision.cli.ending import MAX_LINES, USER_ERROR
from vision.cli.main import main
from vision.errors import VisionError

ROOT = Path(__file__).parents[2]


class Case(NamedTuple):
    """A row of a table of bad inputs.

    Attributes:
        name: The fault in a few words, unique in its table.
        read: Writes the bad input into an empty folder and reads it as a user would.
        says: Parts of the message of the `VisionError` that `read` must raise: the file, the place,
            the value, the remedy. Empty where the input can be read one way, and is.
        gives: What `read` must return, where `says` is empty.
        warns: Parts of the warnings that must be logged meanwhile.
    """

    name: str
    read: Callable[[Path], Any]
    says: tuple[str, ...] = ()
    gives: Any = None
    warns: tuple[str, ...] = ()


def table(*cases: Case) -> pytest.MarkDecorator:
    """The rows of a table as parameters named `case`."""
    assert len({case.name for case in cases}) == len(cases), "two rows have one name"
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


def check(case: Case, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Hold a row against what happens."""
    with caplog.at_level(logging.WARNING):
        if case.says:
            with pytest.raises(VisionError) as caught:
                case.read(folder)
            text = str(caught.value)
            assert len(text.splitlines()) <= MAX_LINES, text
            assert [part for part in case.says if part not in text] == [], text
        else:
            assert case.read(folder) == case.gives
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert [part for part in case.warns if part not in logged] == [], logged


def command(*words: object) -> str:
    """Run `train.py` in this process; what it printed.

    Raises:
        VisionError: It ended as a mistake of the user does, with this message.
    """
    return run_script(ROOT / "train.py", words)


def tool(name: str, *words: object) -> str:
    """The same for a script of `tools`."""
    return run_script(ROOT / "tools" / f"{name}.py", words)


def run_script(script: Path, words: Sequence[object]) -> str:
    """The same for any script."""
    with pytest.MonkeyPatch.context() as context:
        context.syspath_prepend(script.resolve().parent)  # as Python does for a script
        return _run(lambda: runpy.run_path(str(script), run_name="__main__"), script, words)


def run_console(words: Sequence[object]) -> str:
    """The same for the console command `vision`."""
    return _run(lambda: sys.exit(main()), "vision", words)


def _run(call: Callable[[], object], program: Path | str, words: Sequence[object]) -> str:
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        undrawn(),
        pytest.MonkeyPatch.context() as context,
    ):
        context.setattr(sys, "argv", [str(program), *map(str, words)])
        try:
            call()
        except SystemExit as stop:
            code = stop.code
    errors = err.getvalue()
    assert "Traceback" not in errors, errors
    if code == USER_ERROR:
        raise VisionError(errors.partition("error: ")[2] or errors)
    return out.getvalue()
