"""How wide lines may be, and lines that are broken to fit."""

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence

UNLIMITED = 10_000
SCREEN = 80  # columns of help
MAX_HELP = 100
# A word of a shell, with its quotes.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
_CONTINUED = " \\"
_INDENT = "    "
_PART_INDENT = "  "


def line_width() -> int:
    """Columns of the terminal, or of `COLUMNS`; without limit in a file or a pipe."""
    if os.environ.get("COLUMNS", "").isdecimal() or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return UNLIMITED


def break_parts(parts: Sequence[str], width: int, *, gap: str = "  ") -> list[str]:
    """Parts of a line, broken between parts; later lines are indented.

    Args:
        parts: The parts, none of which is broken.
        width: Columns.
        gap: Stands between two parts.
    """
    return _fill(parts, width, gap=gap, indent=_PART_INDENT)


def break_command(command: str, width: int) -> list[str]:
    r"""A command for a shell, broken by `\` before options so that it can still be copied.

    Args:
        command: The command on one line.
        width: Columns.
    """
    if len(command) <= width:
        return [command]
    groups = _option_groups(command, width - len(_INDENT + _CONTINUED))
    return _fill(groups, width, gap=" ", indent=_INDENT, end=_CONTINUED)


def _fill(parts: Sequence[str], width: int, *, gap: str, indent: str, end: str = "") -> list[str]:
    """Lines of whole parts; `end` closes each line but the last, `indent` begins the later ones."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{gap}{part}" if lines else part
        if lines and len(joined) + len(end) > width:
            lines[-1] += end
            lines.append(f"{indent}{part}")
        elif lines:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def _option_groups(command: str, width: int) -> list[str]:
    """The words of a command as they are written, an option with its value if both fit a line."""
    groups: list[str] = []
    for word in _WORD.findall(command):
        alone = groups and groups[-1].startswith("--") and " " not in groups[-1]
        fits = alone and len(groups[-1]) + 1 + len(word) <= width
        if fits and not word.startswith("--"):
            groups[-1] += f" {word}"
        else:
            groups.append(word)
    return groups


def cut_line(line: str, room: int = 0) -> str:
    """A line that fits; its end is left out.

    Args:
        line: The line.
        room: Columns to leave free.
    """
    width = max(line_width() - room, 10)
    return line if len(line) <= width else f"{line[: width - 3]}..."


def fit_text(text: str, width: int) -> str:
    r"""A text of paragraphs and indented commands, with lines that fit.

    Args:
        text: Paragraphs with an empty line between them. One whose lines are all indented has
            commands, which may go on in the next line after a `\`.
        width: Columns.
    """
    parts = []
    for paragraph in re.split(r"\n[ \t]*\n", text.strip("\n")):
        lines = re.sub(r" *\\\n *", " ", paragraph).splitlines()
        if all(line.startswith(_INDENT) for line in lines):
            broken = [break_command(line.strip(), width - len(_INDENT)) for line in lines]
            parts.append("\n".join(f"{_INDENT}{line}" for found in broken for line in found))
        else:
            parts.append(textwrap.fill(" ".join(paragraph.split()), width, break_on_hyphens=False))
    return "\n\n".join(parts)


def help_width() -> int:
    """Columns of help: those of the terminal, at most 100."""
    return min(shutil.get_terminal_size().columns, MAX_HELP)
