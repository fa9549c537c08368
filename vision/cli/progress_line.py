"""One line on standard error that says how far a tool is."""

import sys
import time


class ProgressLine:
    """Shows the latest line: over the one before it on a terminal, now and then in a log file.

    Args:
        every_s: Seconds between two lines on a terminal.
        log_every_s: Seconds between two lines in a file or a pipe.
    """

    def __init__(self, *, every_s: float = 0.5, log_every_s: float = 30.0) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._pause_s = every_s if self._on_terminal else log_every_s
        self._shown_s: float | None = None

    def __call__(self, line: str, *, last: bool = False) -> None:
        """Show a line, unless another one was shown just before; the last one always."""
        now = time.monotonic()
        if not last and self._shown_s is not None and now - self._shown_s < self._pause_s:
            return
        self._shown_s = now
        start, end = ("\r\033[K", "") if self._on_terminal else ("", "\n")
        sys.stderr.write(f"{start}{line}{end}")
        sys.stderr.flush()

    def end(self) -> None:
        """Leave the line, so that what follows has one of its own."""
        if self._on_terminal and self._shown_s is not None:
            sys.stderr.write("\n")
            self._shown_s = None
