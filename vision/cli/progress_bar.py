"""How many of the inputs of a tool are done: a bar on a terminal, lines elsewhere."""

import sys
import time
from typing import Any

from vision.wording import counted, speed

PLAIN_EVERY_S = 10.0


class ProgressBar:
    """A live bar on a terminal, plain lines in a file or a pipe.

    Args:
        unit: What is counted, in the plural.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._start_s = self._shown_s = time.perf_counter()
        self._first: int | None = None
        self._bar: Any = None
        self._task: Any = None

    def __call__(self, done: int, total: int | None) -> None:
        """Show how many are done, of how many."""
        now = time.perf_counter()
        if self._first is None:
            self._first = done - 1
        seconds = max(now - self._start_s, 1e-9)
        rate = (done - self._first) / seconds
        left = "" if total is None else f"  {_clock((total - done) / max(rate, 1e-9))} left"
        fast = speed(done - self._first, seconds, self.unit)
        if sys.stdout.isatty():
            self._draw(done, total, f"{fast}{left}")
        elif now - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s = now
            seen = f"{done:,} of {counted(total, self.unit)}" if total else counted(done, self.unit)
            sys.stdout.write(f"{seen}  {fast}{left}\n")
            sys.stdout.flush()

    def write(self, line: str) -> None:
        """Show a line above the bar."""
        if self._bar is None:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
        else:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, done: int, total: int | None, text: str) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("", total=total)
        self._bar.update(self._task, completed=done, total=total, description=text)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
