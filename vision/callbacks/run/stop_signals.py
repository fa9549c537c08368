"""On Ctrl-C, SIGTERM or SIGHUP, stop a training where a checkpoint can be written."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class StopSignals(Callback):
    """Stops a training after the current optimiser step when the process receives a signal.

    Between two batches of one optimiser step there are gradients, which no checkpoint holds, so the
    trainer hears of the signal when the step is whole; at the end of an epoch that is after its
    validation. A second Ctrl-C ends the process at once. A signal that was
    ignored before (`nohup`, a shell's background job) stays ignored. With several processes the
    trainer hears at once, since all of them have to stop together. An evaluation or a prediction
    has nothing to save and ends at once.

    Attributes:
        asked: The signal; None while there was none.
    """

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._tell: Callable[[], None] = _nothing
        self._last_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen; Lightning puts the former handlers back when the training ends."""
        self._last_step = trainer.global_step
        stop = signal.getsignal(signal.SIGTERM)
        if not callable(stop):
            return
        self._tell = lambda: stop(signal.SIGTERM, None)
        _listen(NAMES, self._together if trainer.world_size > 1 else self._ask)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen, unless it is a part of a training."""
        if trainer.state.fn != TrainerFn.FITTING:
            _listen(NAMES[1:], _leave)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen."""
        _listen(NAMES[1:], _leave)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen."""
        _listen(NAMES[1:], _leave)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell the trainer, which stops after this batch, if a step has ended with it."""
        stepped = trainer.global_step != self._last_step
        self._last_step = trainer.global_step
        if self.asked and stepped:
            self._tell()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell the trainer, which stops before the next epoch."""
        if self.asked:
            self._tell()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        again = ""
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
            again = "; Ctrl-C again stops at once"
        _say(f"\n{self.asked.name}: stopping after this step, or this validation{again}.\n")

    def _together(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        self._tell()


def _listen(names: Sequence[str], handler: Callable[[int, FrameType | None], None]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # Python only lets the main thread handle signals
    for name in names:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _leave(number: int, frame: FrameType | None) -> None:
    _say(f"\nstopped ({signal.Signals(number).name}).\n")
    raise SystemExit(128 + number)


def _nothing() -> None:
    """Stands in where there is no trainer to tell."""


def _say(line: str) -> None:
    # Not sys.stderr, which may be in the middle of a line of its own.
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, line.encode())
    except (OSError, ValueError):  # the terminal is gone: SIGHUP says so
        return
