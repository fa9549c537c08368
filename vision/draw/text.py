"""Make text from outside drawable, with any characters."""

import unicodedata

# Replacement of letters that cannot be drawn, and of a name without any.
UNKNOWN = "\ufffd"
NAMELESS = "(no name)"


def one_line(text: str, longest: int = 100) -> str:
    """A text on one line: line ends and tabs become blanks, letters without a shape "\ufffd".

    Args:
        text: Any text, such as the name of a class or of a file.
        longest: Number of letters beyond which it is cut.

    Returns:
        A text that has at least one letter.
    """
    # A name may have a million letters; the first ones suffice.
    line = " ".join(text[: 4 * longest].split())
    line = "".join(letter if letter.isprintable() else UNKNOWN for letter in line)
    line = unicodedata.normalize("NFC", line)
    return (line if len(line) <= longest else f"{line[: longest - 1]}…") or NAMELESS


def figure_line(text: str, longest: int = 100) -> str:
    """The same for a figure of matplotlib, which reads formulas between two dollar signs."""
    return one_line(text, longest).replace("$", r"\$")
