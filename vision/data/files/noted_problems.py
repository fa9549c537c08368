"""Problems of files of a dataset: an error that ends a run, or collected by a check."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vision.errors import DataError, listed_lines


class NotedProblems:
    """Problems of files: an error that ends a run, or collected where all are wanted."""

    def __init__(self) -> None:
        self._found: list[str] | None = None

    def note(self, problems: Sequence[str], heading: str, end: str) -> None:
        """Collect problems, or raise an error if there are any.

        Args:
            problems: A message for each.
            heading: First line of the error, without a colon.
            end: Its last line, such as the expected tree.

        Raises:
            DataError: There are problems, and they are not collected; the message has the first.
        """
        if self._found is not None:
            self._found += problems
        elif problems:
            lines = [" ".join(problem.splitlines()) for problem in problems]
            raise DataError(f"{heading}:\n{listed_lines(lines)}\n{end}")

    @contextmanager
    def collected(self) -> Iterator[list[str]]:
        """A block within which they are collected in the list that it gives."""
        self._found = []
        try:
            yield self._found
        finally:
            self._found = None
