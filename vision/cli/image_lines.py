"""What a prediction found, on the screen: a line for the first images, then all together."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from vision.line_width import cut_line
from vision.wording import counted

if TYPE_CHECKING:
    from vision.predict.results import Result

MAX_LINES = 20
MAX_NAMES = 5


class ImageLines:
    """Shows results as they come.

    Args:
        write: Shows a line.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._images = 0
        self._found: Counter[str] = Counter()

    def __call__(self, name: str, result: "Result") -> None:
        """Show the result of an image or a frame."""
        self._images += 1
        self._found.update(result.labels_found())
        if self._images <= MAX_LINES:
            self._write(cut_line(f"{name}: {result.in_words()}"))
        elif self._images == MAX_LINES + 1:
            self._write("... (all are in predictions.jsonl)")

    def summary(self) -> str | None:
        """The classes of all images, such as `"found: dog (12), cat (3)"`; None for none."""
        if not self._found:
            return None
        most = self._found.most_common(MAX_NAMES)
        names = ", ".join(f"{name} ({count:,})" for name, count in most)
        more = len(self._found) - len(most)
        rest = f" and {counted(more, 'more classes')}" if more else ""
        return cut_line(f"found: {names}{rest}")
