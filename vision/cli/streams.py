"""Output streams whose failures never end a command: closed, full, or of limited encoding."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


class LenientStream:
    r"""A text stream that discards output after its first failure.

    A closed pipe (`| head`), a full disk behind `> log` and a closed terminal affect only the
    output, not the work. Characters that its encoding lacks are written as `\u....`.

    Args:
        stream: The stream; None if the process was started without one.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        with suppress(AttributeError, ValueError, OSError):
            cast(Any, stream).reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write, or do nothing; returns the number of characters of the text."""
        if self._stream is not None:
            try:
                self._stream.write(text)
            except (OSError, ValueError):  # a closed stream is a ValueError
                self._let_go()
        return len(text)

    def flush(self) -> None:
        """Flush the buffer, or do nothing."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._let_go()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream is not None and not self._stream.closed and self._stream.isatty()

    def _let_go(self) -> None:
        """Discard the buffer and all later output."""
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
