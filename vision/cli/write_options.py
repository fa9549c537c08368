"""Write `options.json`, the table of all options, from the parsers: run it when options change.

python -m vision.cli.write_options
"""

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

from vision.cli.app import VisionCLI
from vision.cli.commands.training import TRAINING
from vision.cli.names import CLASSES, find_class, first_line
from vision.cli.option_table import FILE, Choice, Option, OptionTable, format_table
from vision.cli.parser import OptionsParser, class_options, options_of


class _ParserMade(Exception):  # noqa: N818 - not an error
    """Ends the construction of a command when its parser is there."""

    def __init__(self, parser: OptionsParser) -> None:
        super().__init__()
        self.parser = parser


class _ParserOnly(VisionCLI):
    """A command of which only the parser is made."""

    def parse_arguments(self, parser: OptionsParser, args: Any) -> None:  # type: ignore[override]
        raise _ParserMade(self._own_parser)


def make_table() -> OptionTable:
    """The table of what the parsers know now."""
    commands = {name: _command_options(name) for name in TRAINING}
    trainer = tuple(one for one in commands["fit"] if one.key.startswith("trainer"))
    return OptionTable(
        lightning=importlib.metadata.version("lightning"),
        commands={
            name: tuple(one for one in options if not one.key.startswith("trainer"))
            for name, options in commands.items()
        },
        trainer=trainer,
        classes={
            group: {name: _choice(group, name) for name in names}
            for group, names in CLASSES.items()
        },
    )


def _command_options(command: str) -> list[Option]:
    try:
        _ParserOnly(command, [], typed=[], settings=[])
    except _ParserMade as made:
        options = options_of(made.parser)
    options.pop("help")
    return list(options.values())


def _choice(group: str, name: str) -> Choice:
    cls = find_class(group, name, source="")
    return Choice(first_line(cls), tuple(options_of(class_options(group, cls), group).values()))


def main() -> int:
    """Write the file; returns the exit status."""
    path = Path(__file__).with_name(FILE)
    path.write_text(format_table(make_table()), encoding="utf-8")
    sys.stdout.write(f"{path} is written.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
