"""JSON files of gigabytes, read value by value.

Only the values that the caller takes are in memory. As in `parse_json(..., bulk=True)`, the last of
equal keys counts, and numbers that are not finite are read: the caller has to check for them.
"""

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Any

from vision.errors import DataError
from vision.reading import MAX_TABLE_BYTES, StrPath, open_file, shown_path

# Bytes that are read at once.
CHUNK = 2**22
# Characters of one value. A value that looks unfinished is not searched for its end beyond them.
MAX_VALUE = 2**26
_BLANK = re.compile(r"[ \t\n\r]*")
_SHOWN = 30


class JsonStream:
    """A place in a JSON text, which moves on with everything that is taken.

    Args:
        file: The text in UTF-8.
        name: What messages call it.
        chunk: Bytes that are read at once.
    """

    def __init__(self, file: BufferedReader, *, name: str, chunk: int = CHUNK) -> None:
        self.name = name
        self._file = file
        self._chunk = chunk
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        # Characters and lines before `_text`.
        self._passed = 0
        self._lines = 1
        self._ended = False
        self._begun = False

    def value(self) -> Any:
        """Take the value at this place, whole.

        Raises:
            DataError: It is not JSON, cut off, nested too deeply, or longer than `MAX_VALUE`.
        """
        self._peek()
        while True:
            start = self._at
            try:
                value, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as found:
                after = found.pos - start
                if not self._more():
                    raise self._fault(found.msg, self._at + after) from None
                if len(self._text) - self._at > MAX_VALUE + self._chunk:
                    raise self._fault("a value without an end", self._at) from None
            except RecursionError:
                raise self._fault("values nested too deeply", self._at) from None
            except ValueError:
                raise self._fault("a number of thousands of digits", self._at) from None
            else:
                # A number near the end of what was read may go on: 1, 1. and 1e- all begin 1.
                if end + 2 < len(self._text) or not self._more():
                    # The text before may be gone since.
                    self._at += end - start
                    self._begun = True
                    return value

    def items(self) -> Iterator[Any]:
        """Take the entries of the list at this place, one after the other.

        Raises:
            DataError: There is no list, or as for `value`.
        """
        for _ in self._members("[]", "a list"):
            yield self.value()

    def entries(self) -> Iterator[str]:
        """Take the keys of the object at this place.

        The caller has to take what is under each key before the next: by `value`, `items` or
        `entries`.

        Raises:
            DataError: There is no object, or as for `value`.
        """
        for _ in self._members("{}", "an object"):
            if self._peek() != '"':
                raise self._fault("expected a key in double quotes", self._at)
            key = self.value()
            if self._peek() != ":":
                raise self._fault("expected ':' after a key", self._at)
            self._at += 1
            yield key

    def finish(self) -> None:
        """Check that nothing follows.

        Raises:
            DataError: More than blanks follows.
        """
        if self._peek():
            raise self._fault("text after the end", self._at)

    def _members(self, brackets: str, what: str) -> Iterator[None]:
        if self._peek() != brackets[0]:
            raise self._fault(f"expected {what}, which begins with {brackets[0]!r}", self._at)
        self._at += 1
        self._begun = True
        if self._peek() == brackets[1]:
            self._at += 1
            return
        while True:
            yield
            found = self._peek()
            if found not in (",", brackets[1]):
                raise self._fault(f"expected ',' or {brackets[1]!r}", self._at)
            self._at += 1
            if found == brackets[1]:
                return

    def _peek(self) -> str:
        """The next character that is not blank, and move to it; empty at the end."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on; False at the end of the file."""
        if self._ended:
            return False
        data = self._file.read(self._chunk)
        self._ended = not data
        try:
            text = self._decode.decode(data, final=self._ended)
        except UnicodeDecodeError as found:
            byte = self._file.tell() - len(data) + found.start
            raise DataError(
                f"{self.name} is not UTF-8 text near byte {byte:,}. Copy or download it again."
            ) from None
        self._passed += self._at
        self._lines += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + text
        self._at = 0
        return not self._ended

    def _fault(self, message: str, position: int) -> DataError:
        if not self._begun and not self._text.strip():
            return DataError(f"{self.name} is empty; copy or download it again.")
        place = f"line {self._lines + self._text.count(chr(10), 0, position):,}, character "
        place += f"{self._passed + position + 1:,}"
        if self._ended and position >= len(self._text.rstrip()):
            return DataError(
                f"{self.name} is not valid JSON: it ends in the middle ({message}, {place}), and "
                "looks cut off. Copy or download it again."
            )
        near = self._text[max(0, position - _SHOWN) : position + _SHOWN]
        return DataError(f"{self.name} is not read: {message} at {place}: {near!r}.")


@contextmanager
def open_json(
    path: StrPath, *, max_bytes: int = MAX_TABLE_BYTES, what: str = "file"
) -> Iterator[JsonStream]:
    """Open a JSON file to read it value by value.

    Args:
        path: The file.
        max_bytes: Largest size that is read.
        what: What messages call it.

    Raises:
        DataError: As for `open_file`.
    """
    with open_file(path, max_bytes=max_bytes, what=what) as file:
        yield JsonStream(file, name=f"{what} {shown_path(path)}")
