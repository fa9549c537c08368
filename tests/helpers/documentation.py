"""The fenced blocks of the documentation, and which of them run."""

import glob
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
# <!-- not run: REASON -->, or <!-- parsed: REASON --> where the options alone are looked at.
BLOCK = re.compile(r"(?:<!-- (not run|parsed): ([^>]+) -->\n)?```(\w*)\n(.*?)^```", re.S | re.M)
LANGUAGES = ("python", "sh")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        place: Page and line.
        language: `"python"` or `"sh"`.
        code: Its lines.
        mark: `"not run"`, `"parsed"`, or empty for a block that runs.
    """

    place: str
    language: str
    code: str
    mark: str


def blocks(language: str) -> Iterator[Block]:
    """All blocks of a language."""
    for page in PAGES:
        text = page.read_text()
        for found in BLOCK.finditer(text):
            if found[3] == language:
                line = text.count("\n", 0, found.start(4))
                yield Block(f"{page.name}:{line}", language, found[4], found[1] or "")


def commands(code: str) -> Iterator[list[str]]:
    """The words of each command of a shell block; patterns without quotes become the files."""
    for line in code.replace("\\\n", " ").splitlines():
        words = []
        for word in shlex.split(line, comments=True):
            is_pattern = "*" in word and not re.search(f"[\"']{re.escape(word)}[\"']", line)
            words += sorted(glob.glob(word)) if is_pattern else [word]
        while "&&" in words:
            place = words.index("&&")
            yield words[:place]
            words = words[place + 1 :]
        if words:
            yield words
