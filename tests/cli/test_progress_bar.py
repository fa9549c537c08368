"""Progress in a file or a pipe: the rate and the time left, in lines that are far apart."""

import pytest

from vision.cli.progress_bar import ProgressBar, _clock


def test_progress_has_the_rate_and_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    progress = ProgressBar("images")
    progress._start_s -= 20
    progress._shown_s -= 20
    progress(5, 105)
    assert capsys.readouterr().out.startswith("5 of 105 images  20.0 s/image  ")
    progress(6, 105)
    assert capsys.readouterr().out == "", "plain lines are far apart"
    assert [_clock(seconds) for seconds in (7, 75, 3700)] == ["0:07", "1:15", "1:01:40"]
