"""Escape external text for Markdown: it cannot become markup, links or new lines."""

import re

# Characters that delimit markup of CommonMark and GitHub's tables, and HTML.
# An underscore within a word is plain text.
_MARKUP = re.compile(r"([\\`*\[\]<>#|~&]|(?<![^\W_])_|_(?![^\W_]))")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|www)(?=[:.])")


def text(value: object) -> str:
    """A value as one line of plain text."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    escaped = _MARKUP.sub(r"\\\1", line)
    # A URL would become a link.
    return _ADDRESS.sub(lambda found: f"{found[0][0]}&#{ord(found[0][1])};{found[0][2:]}", escaped)


def code(value: object) -> str:
    """A value as code within a line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split()) or " "
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"
