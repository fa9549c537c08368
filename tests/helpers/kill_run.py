"""A callback for the tests of resuming: it sends its own process a signal, such as SIGKILL."""

import multiprocessing
import os
import signal
from typing import Any

from lightning.pytorch import Callback, Trainer


class KillAt(Callback):
    """Sends the process a signal, once, when a batch starts after `step` optimiser steps.

    Args:
        step: Number of optimiser steps.
        sent: Name of the signal.
        workers: Whether its data workers get it first, as all processes of a terminal do.
        itself: Whether the process itself gets it.
    """

    def __init__(
        self, step: int, sent: str = "SIGKILL", *, workers: bool = False, itself: bool = True
    ) -> None:
        self.step, self.sent = step, getattr(signal, sent)
        self.workers, self.itself = workers, itself
        self.done = False

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if self.done or trainer.global_step != self.step:
            return
        self.done = True
        for worker in multiprocessing.active_children() if self.workers else ():
            os.kill(worker.pid or 0, self.sent)
        if self.itself:
            os.kill(os.getpid(), self.sent)
