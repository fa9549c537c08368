"""Standard output and error that never end a command: closed, full, or of few letters."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class LenientStream:
    r"""A text stream; what it cannot take is left out from then on.

    A reader that went away (`| head`), a full disk behind `> log` and a closed terminal concern
    what is shown, not what is done. Letters that its encoding lacks are written as `\u....`.

    Args:
        stream: The stream; None, where the process was started without one, takes nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        with suppress(AttributeError, ValueError, OSError):
            cast(Any, stream).reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write, or do nothing; the number of letters of the text."""
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # a closed stream is a ValueError
                self._let_go()
        return len(text)

    def flush(self) -> None:
        """Write what is held back, or do nothing."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._let_go()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def _let_go(self) -> None:
        """Send what is still held back, and all that follows, to nowhere."""
        stream, self._stream = self._stream, None
        # Otherwise the interpreter tries again at its end, and complains.
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, cast(TextIO, stream).fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream if self._stream is not None else sys.__stderr__, name)


@contextmanager
def lenient_streams() -> Iterator[None]:
    """Make standard output and error lenient for a while."""
    own = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, LenientStream(own[0]))
    sys.stderr = cast(TextIO, LenientStream(own[1]))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = own
