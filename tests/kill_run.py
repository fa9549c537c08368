"""A callback for the tests of resuming: it ends its own process, without any warning."""

import os
import signal
from typing import Any

from lightning.pytorch import Callback, Trainer


class KillAt(Callback):
    """Sends the process a signal when a batch starts after `step` optimiser steps.

    Args:
        step: Number of optimiser steps.
        sent: Name of the signal.
    """

    def __init__(self, step: int, sent: str = "SIGKILL") -> None:
        self.step = step
        self.sent = sent

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), getattr(signal, self.sent))
