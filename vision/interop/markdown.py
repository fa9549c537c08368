"""Text from outside in Markdown: it stays text, and makes no markup, links or lines of its own."""

import re

# What begins or ends markup of CommonMark and of GitHub's tables, and HTML.
# An underscore within a word is a letter.
_MARKUP = re.compile(r"([\\`*\[\]<>#|~&]|(?<![^\W_])_|_(?![^\W_]))")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|www)(?=[:.])")


def text(value: object) -> str:
    """A value as one line of plain text."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    escaped = _MARKUP.sub(r"\\\1", line)
    # An address would become a link.
    return _ADDRESS.sub(lambda found: f"{found[0][0]}&#{ord(found[0][1])};{found[0][2:]}", escaped)


def code(value: object) -> str:
    """A value as code within a line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split()) or " "
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"`{line}`"
