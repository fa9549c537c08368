"""The form in which a person has called the suite, for the commands that messages name.

The console command `vision`, `python -m vision` and the scripts of a clone (`train.py`,
`tools/*.py`) run the same functions. A message names a command as the person would type it, and
never a file that an installed package does not have.
"""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from vision.files import relative_path

NAME = "vision"
PACKAGE = Path(__file__).resolve().parent
CLONE = PACKAGE.parent
TRAIN = "train.py"
# A command in a text: at the start of an indented line, or in backticks.
_WRITTEN = re.compile(r"(^ +|`)vision ([a-zA-Z-]+)(?=( --config)?)", re.MULTILINE)


def command_words(name: str = "", *, trained: bool = False) -> list[str]:
    """The words that start a command, in the form in which the person called this one.

    Args:
        name: Name of the command, such as `"check-dataset"`; without one only the program.
        trained: Whether it is `predict` with a config, which in a clone is `train.py predict`.
    """
    words = [name] if name else []
    called = os.path.abspath(sys.argv[0]) if sys.argv and sys.argv[0] else ""
    program = Path(called).resolve()
    if program in (CLONE / TRAIN, CLONE / "tools" / program.name):
        folder = Path(called).parent if program.name == TRAIN else Path(called).parents[1]
        if not (folder / TRAIN).is_file():  # called through a link
            folder = CLONE
        script = folder / "tools" / f"{name.replace('-', '_')}.py"
        if script.is_file() and not trained:
            return [python(), relative_path(script)]
        return [python(), relative_path(folder / TRAIN), *words]
    if Path(called).name in (NAME, f"{NAME}.exe"):
        # Without its folder where the shell finds it so.
        found = shutil.which(NAME)
        is_found = found is not None and os.path.abspath(found) == called
        return [NAME if is_found else relative_path(called), *words]
    if program != PACKAGE / "__main__.py" and _is_beside_python():
        return [NAME, *words]  # a notebook, or another program
    return [python(), "-m", NAME, *words]


def command(name: str = "", *, trained: bool = False) -> str:
    """The same as text for a shell, such as `"vision check-dataset"`."""
    return shlex.join(command_words(name, trained=trained))


def this_command() -> list[str]:
    """The words that run this process's command again."""
    path = Path(sys.argv[0]).resolve()
    is_tool = path.parent == CLONE / "tools"
    return [*command_words(path.stem.replace("_", "-") if is_tool else ""), *sys.argv[1:]]


def with_commands(text: str) -> str:
    """A text whose commands have the form in which the person called.

    Args:
        text: Its commands, such as `vision export`, are in backticks or begin an indented line.
    """

    def replace(found: re.Match[str]) -> str:
        return f"{found[1]}{command(found[2], trained=found[2] == 'predict' and bool(found[3]))}"

    return _WRITTEN.sub(replace, text)


def python() -> str:
    """The interpreter as a person would type it."""
    if shutil.which("python") == sys.executable:
        return "python"
    return relative_path(sys.executable)


def _is_beside_python() -> bool:
    """Whether the console command that a shell finds is the one of this interpreter."""
    found = shutil.which(NAME)
    return found is not None and Path(found).parent == Path(sys.executable).parent
