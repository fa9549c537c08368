"""Signals that ask a command to stop (a whole run that is stopped: tests/test_resume.py)."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback

from vision.callbacks.run.stop_signals import StopSignals
from vision.cli.stops import explain_stop


class Send(Callback):
    """Sends signals to the process when the first batch starts, of a training or a validation."""

    def __init__(self, *sent: signal.Signals) -> None:
        self.sent = list(sent)

    def on_train_batch_start(self, *_: Any) -> None:
        while self.sent:
            signal.raise_signal(self.sent.pop())

    on_validation_batch_start = on_train_batch_start
    on_predict_batch_start = on_train_batch_start


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Every handler is restored in the end."""
    before = {name: signal.getsignal(getattr(signal, name)) for name in ("SIGINT", "SIGTERM")}
    yield
    for name, handler in before.items():
        assert signal.getsignal(getattr(signal, name)) == handler


def ended(folder: Path, *sent: signal.Signals, command: str = "fit", **options: Any) -> int:
    """The exit code of a command that gets signals."""
    signals = StopSignals()
    trainer = quiet_trainer(folder, max_epochs=2, callbacks=[Send(*sent), signals], **options)
    with pytest.raises(SystemExit) as stop, explain_stop(signals, lambda: folder / "last.ckpt"):
        getattr(trainer, command)(tiny_task(), TinyData())
    assert isinstance(stop.value.code, int)
    return stop.value.code


def test_a_second_ctrl_c_ends_a_training_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(tmp_path, signal.SIGINT, signal.SIGINT) == 130
    assert "No checkpoint had been written yet: start again" in capsys.readouterr().err


def test_a_second_sigterm_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    assert ended(tmp_path, signal.SIGTERM, signal.SIGTERM) == 143


@pytest.mark.parametrize("command", ["validate", "predict"])
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_evaluation_ends_at_once(tmp_path: Path, command: str, sent: signal.Signals) -> None:
    assert ended(tmp_path, sent, command=command) == 128 + sent


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        send = Send(signal.SIGHUP)
        quiet_trainer(tmp_path, max_epochs=1, callbacks=[send, StopSignals()]).fit(
            tiny_task(), TinyData()
        )
        assert send.sent == []
    finally:
        signal.signal(signal.SIGHUP, before)
