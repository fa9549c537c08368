"""How a command ends that was asked to stop: a line that says how to go on, and an exit code."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities.exceptions import SIGTERMException

from vision.callbacks.run.stop_signals import StopSignals
from vision.callbacks.run.summary import relative_path
from vision.workers import end_workers


@contextmanager
def explain_stop(signals: StopSignals, last: Callable[[], Path | None]) -> Iterator[None]:
    """End the process with 128 plus the number of the signal, as a shell counts.

    Args:
        signals: What has listened.
        last: The checkpoint that a training goes on from; None for other commands.

    Raises:
        SystemExit: A signal has ended the command.
    """
    try:
        yield
    except SIGTERMException as stop:
        raise _end(signals.asked or signal.SIGTERM, last()) from stop
    except SystemExit as stop:
        # How Lightning leaves after a KeyboardInterrupt.
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
