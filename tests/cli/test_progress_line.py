"""The line of progress in a log file and on a terminal."""

import sys

import pytest

from vision.cli.progress_line import ProgressLine


def test_a_log_has_the_first_line_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine(log_every_s=1000)
    for text in ("one", "two", "three"):
        line(text)
    line("four", last=True)
    line.end()
    assert capsys.readouterr().err == "one\nfour\n"


def test_a_terminal_has_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    line = ProgressLine(every_s=0)
    line("one")
    line("two")
    line.end()
    line.end()
    assert capsys.readouterr().err == "\r\033[Kone\r\033[Ktwo\n"
