"""Every option of a training, from a file: help and plain mistakes need no parser and no PyTorch.

`options.json` is written by `python -m vision.cli.write_options` from the parsers themselves, and a
test holds the two equal. Classes of one's own are not in it: their options come from their parser.
"""

import ast
import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

FILE = "options.json"
# Types whose values can be judged by themselves.
PLAIN = ("int", "float", "true or false", "null", "str")


@dataclass(frozen=True)
class Option:
    """An option.

    Attributes:
        key: Dotted key, such as `"model.optim.lr"`.
        accepts: The alternatives of its type, in words: `"int"`, `"null"`, `"'bicubic'"`, `"list of
            int"`; empty for a group of options or a flag.
        default: Its default, a plain value; text for any other.
        help: Its description.
        required: Whether it must be given.
    """

    key: str
    accepts: tuple[str, ...] = ()
    default: Any = None
    help: str = ""
    required: bool = False

    @property
    def type(self) -> str:
        """The type in words, such as `"int or null"`."""
        return " or ".join(self.accepts)

    @property
    def literals(self) -> list[Any]:
        """The values that are listed in its type."""
        return [ast.literal_eval(one) for one in self.accepts if _is_literal(one)]

    @property
    def is_plain(self) -> bool:
        """Whether each alternative is a number, a text, a listed value, true, false or null."""
        return bool(self.accepts) and all(one in PLAIN or _is_literal(one) for one in self.accepts)


@dataclass(frozen=True)
class Choice:
    """A task or dataset.

    Attributes:
        about: The first line of its documentation.
        options: Options of its constructor.
    """

    about: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class OptionTable:
    """All options.

    Attributes:
        lightning: Version of Lightning whose trainer has the options.
        commands: Options of each command, without the trainer's, the task's and the dataset's.
        trainer: Options of the trainer.
        classes: Tasks (`"model"`) and datasets (`"data"`) by name.
    """

    lightning: str
    commands: Mapping[str, tuple[Option, ...]] = field(default_factory=dict)
    trainer: tuple[Option, ...] = ()
    classes: Mapping[str, Mapping[str, Choice]] = field(default_factory=dict)

    @property
    def knows_trainer(self) -> bool:
        """Whether the installed trainer is the one whose options are listed."""
        try:
            return importlib.metadata.version("lightning") == self.lightning
        except importlib.metadata.PackageNotFoundError:
            return False


@cache
def option_table() -> OptionTable:
    """The table in the package."""
    return parse_table(resources.files("vision.cli").joinpath(FILE).read_text("utf-8"))


def parse_table(text: str) -> OptionTable:
    """The table of a text by `format_table`."""
    read = json.loads(text)
    return OptionTable(
        lightning=read["lightning"],
        commands={name: _options(rows) for name, rows in read["commands"].items()},
        trainer=_options(read["trainer"]),
        classes={
            group: {
                name: Choice(choice["about"], _options(choice["options"]))
                for name, choice in choices.items()
            }
            for group, choices in read["classes"].items()
        },
    )


def format_table(table: OptionTable) -> str:
    """The table as JSON with an option per line."""
    parts = [f'"lightning": {json.dumps(table.lightning)}']
    commands = [f'"{name}": {_rows(options)}' for name, options in table.commands.items()]
    parts.append(f'"commands": {{{_joined(commands)}}}')
    parts.append(f'"trainer": {_rows(table.trainer)}')
    groups = []
    for group, choices in table.classes.items():
        rows = [
            f'"{name}": {{"about": {_json(choice.about)}, "options": {_rows(choice.options)}}}'
            for name, choice in choices.items()
        ]
        groups.append(f'"{group}": {{{_joined(rows)}}}')
    parts.append(f'"classes": {{{_joined(groups)}}}')
    return f"{{{_joined(parts)}}}\n"


def _options(rows: Iterable[Mapping[str, Any]]) -> tuple[Option, ...]:
    return tuple(Option(**{**row, "accepts": tuple(row.get("accepts", ()))}) for row in rows)


def _rows(options: Iterable[Option]) -> str:
    rows = []
    for option in options:
        row: dict[str, Any] = {"key": option.key}
        if option.accepts:
            row["accepts"] = option.accepts
        if option.default is not None:
            row["default"] = option.default
        if option.help:
            row["help"] = option.help
        if option.required:
            row["required"] = True
        rows.append(_json(row))
    return f"[{_joined(rows)}]"


def _joined(parts: Iterable[str]) -> str:
    return "\n" + ",\n".join(parts) + "\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_literal(word: str) -> bool:
    return word[:1] in "'\"-" or word[:1].isdigit()
