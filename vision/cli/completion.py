"""Completion of command lines by the shell: argcomplete, with a parser made for what is typed.

At each press of the key the shell runs `vision`, which answers here. Only the parser of the command
that is typed is built; those of a training come from the table of options, without PyTorch.
"""

import argparse
import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from vision.cli.commands.table import COMMANDS
from vision.cli.commands.training import TRAINING, is_training
from vision.cli.config_files import config_names, short_name
from vision.cli.names import CLASSES, chosen_names
from vision.cli.option_table import Option, option_table
from vision.cli.settings import find_configs, read_settings
from vision.cli.short_options import SHORT_FORMS
from vision.errors import VisionError

# What the shell sets while it asks: the place of the first word that counts.
ASKED = "_ARGCOMPLETE"


def complete() -> None:
    """Answer the shell that asks, and end the process."""
    try:
        import argcomplete
        from argcomplete.lexers import split_line
    except ImportError:
        os._exit(1)
    first = int(os.environ[ASKED])
    words = split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3][first:]
    if words and words[0] in COMMANDS:
        os.environ[ASKED] = str(first + 1)
        argcomplete.autocomplete(command_options(words[0], words[1:]))
    parser = argparse.ArgumentParser(prog="vision")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, row in COMMANDS.items():
        commands.add_parser(name, help=row.help)
    argcomplete.autocomplete(parser)


def command_options(name: str, words: Sequence[str]) -> argparse.ArgumentParser:
    """A parser that has the options of a command.

    Args:
        name: Name of the command.
        words: What is typed after it.
    """
    if name in TRAINING and (name != "predict" or is_training(words)):
        return _training_options(name, words)
    if name == "check-dataset":
        return _dataset_options(words)
    return import_module(COMMANDS[name].run.partition(":")[0]).build_parser()


def _training_options(name: str, words: Sequence[str]) -> argparse.ArgumentParser:
    table = option_table()
    parser = argparse.ArgumentParser(prog=name, allow_abbrev=False)
    config = parser.add_argument("--config", help="a config, by its path or name")
    config.completer = _configs  # type: ignore[attr-defined]
    options = [*table.commands[name], *table.trainer]
    for group, choices in table.classes.items():
        chosen = _chosen(group, words)
        for choice in choices.values() if chosen is None else (choices[chosen],):
            options += choice.options
        parser.add_argument(f"--{group}", choices=[*choices], help=f"the {group}, by its name")
    _add(parser, options)
    for short, key in SHORT_FORMS.items():
        parser.add_argument(f"--{short.replace('_', '-')}", help=f"short for --{key}")
    return parser


def _chosen(group: str, words: Sequence[str]) -> str | None:
    """Name of the class that the words choose; None where they do not tell."""
    try:
        names = chosen_names(read_settings(find_configs(words)))
    except VisionError:
        return None
    if group not in names:
        return None
    given = str(names[group].value)
    found = {path: name for name, path in CLASSES[group].items()}.get(given, given)
    return found if found in option_table().classes[group] else None


def _dataset_options(words: Sequence[str]) -> argparse.ArgumentParser:
    choices = option_table().classes["data"]
    parser = argparse.ArgumentParser(prog="check-dataset", allow_abbrev=False)
    parser.add_argument("dataset", choices=[*choices], help="name of a dataset")
    parser.add_argument("--json", help="write the report")
    if words and words[0] in choices:
        _add(parser, choices[words[0]].options, prefix="data.")
    return parser


def _add(parser: argparse.ArgumentParser, options: Iterable[Option], prefix: str = "") -> None:
    """Add options, each once, without a prefix of their keys."""
    there = {flag for action in parser._actions for flag in action.option_strings}
    for option in options:
        flag = f"--{option.key.removeprefix(prefix)}"
        if flag not in there:
            there.add(flag)
            values = [str(one) for one in option.literals] or None
            if values is None and "true or false" in option.accepts:
                values = ["true", "false"]
            parser.add_argument(flag, choices=values, help=option.help.replace("%", "%%"))


def _configs(prefix: str, **_: Any) -> list[str]:
    """Names of the suite's configs, and files."""
    from argcomplete.completers import FilesCompleter

    names = {name for full in config_names() for name in (full, short_name(full))}
    files = FilesCompleter(("yaml", "yml", "json"))(prefix)
    return sorted(name for name in names if name.startswith(prefix)) + files
