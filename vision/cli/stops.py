"""End a command that received a signal: a line on how to resume, and an exit code."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities.exceptions import SIGTERMException

from vision.callbacks.run.stop_signals import StopSignals
from vision.files import relative_path
from vision.workers import end_workers


@contextmanager
def explain_stop(signals: StopSignals, last: Callable[[], Path | None]) -> Iterator[None]:
    """End the process with 128 plus the number of the signal, as a shell counts.

    Args:
        signals: The callback that received the signal.
        last: Returns the checkpoint to resume from; None for other commands.

    Raises:
        SystemExit: A signal has ended the command.
    """
    try:
        yield
    except SIGTERMException as stop:
        raise _end(signals.asked or signal.SIGTERM, last()) from stop
    except SystemExit as stop:
        # Lightning exits like this after a KeyboardInterrupt.
        if not isinstance(stop.__context__, KeyboardInterrupt):
            end_workers()
            raise
        raise _end(signal.SIGINT, last()) from stop


def _end(number: signal.Signals, last: Path | None) -> SystemExit:
    end_workers()
    how = f"stopped ({number.name})."
    if last is not None and last.is_file():
        how += f" Go on from {relative_path(last)} with the same command and --ckpt_path last."
    elif last is not None:
        how += " No checkpoint had been written yet: start again with the same command."
    sys.stderr.write(f"{how}\n")
    return SystemExit(128 + number)
