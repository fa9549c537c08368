"""What a message of an error has to hold, however its sentences are put."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def refuses(
    error: type[Exception] | tuple[type[Exception], ...], *parts: object
) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """See that an error is raised whose message holds each part, in any order.

    Args:
        error: Type of the error, or several.
        parts: What the message needs: the value, the key and the remedy.
    """
    assert parts, "a refusal names what it refuses"
    with pytest.raises(error) as caught:
        yield caught
    message = str(caught.value)
    missing = [str(part) for part in parts if str(part) not in message]
    assert not missing, f"{missing} are not in the message: {message}"
