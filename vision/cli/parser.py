"""The parser of the options: no abbreviated keys, errors in the words of the user."""

import traceback
import types
from argparse import SUPPRESS, Action
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from vision.cli.config_files import BASE
from vision.cli.mistakes import (
    absent_classes,
    absent_option,
    find_mistake,
    needs_value,
    without_value,
    wrong_value,
)
from vision.cli.option_table import Option
from vision.cli.settings import Setting
from vision.errors import ConfigError, VisionError
from vision.options import UNEXPECTED
from vision.program import command as command_line

MAX_LINES = 6


class ParserError(Exception):
    """The parser refused something; `explain` turns it into a message."""


class OptionsParser(LightningArgumentParser):
    """LightningCLI's parser, which accepts keys in full only and raises instead of exiting.

    Takes the arguments of `jsonargparse.ArgumentParser`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a `ParserError`, or what jsonargparse expects while it tries alternatives."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise ParserError(message) from ex

    def parse_string(self, *args: Any, **kwargs: Any) -> Namespace:
        """The settings of a config, without the key of the files that it builds on."""
        settings = super().parse_string(*args, **kwargs)
        settings.pop(BASE, None)
        return settings

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Build what the options choose; an error of a constructor is a `ConfigError`."""
        with _constructing():
            return super().instantiate_classes(*args, **kwargs)

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """The same, by its later name."""
        with _constructing():
            return super().instantiate(*args, **kwargs)


@contextmanager
def _constructing() -> Iterator[None]:
    """Show an error of a constructor as it is; jsonargparse wraps it, more than once.

    Raises:
        VisionError: An error of a constructor, or a value that is not allowed.
    """
    try:
        yield
    except UNEXPECTED as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, VisionError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from None
        raise _unbuilt(error) from error


def _unbuilt(error: Exception) -> ConfigError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    reason = str(error).strip().partition("\n")[0][:300]
    return ConfigError(
        f"the task or the data cannot be built with these options: {reason} "
        f"({type(error).__name__} in {Path(place.filename).name}, line {place.lineno})."
    )


def class_options(group: str, cls: type) -> OptionsParser:
    """A parser of the constructor's options of a task or dataset, such as `--model.num_classes`."""
    parser = OptionsParser(exit_on_error=False, add_help=False, usage=SUPPRESS, description=None)
    parser.add_class_arguments(cls, group, fail_untyped=False, sub_configs=False)
    return parser


def explain(
    parser: OptionsParser,
    message: str,
    settings: Sequence[Setting],
    classes: Mapping[str, type],
    command: str,
) -> str:
    """Say what is wrong with the settings that a parser has refused.

    Args:
        parser: The parser of the command.
        message: The parser's own message, for the cases that are not recognised.
        settings: Everything that the user has set.
        classes: The chosen classes, from `chosen_classes`.
        command: Name of the command, such as `"fit"`.

    Returns:
        A message that names the key, the value, where it was set, and the nearest or expected.
    """
    options = options_of(parser)
    owners = dict.fromkeys(options, parser)
    for group, cls in classes.items():
        own = class_options(group, cls)
        found = options_of(own, group)
        options |= found
        owners |= dict.fromkeys(found, own)

    def judge(setting: Setting, option: Option) -> str | None:
        return _value_problem(setting, option, owners[option.key])

    if problem := find_mistake(settings, options, classes, judge):
        return f"{problem}\n`{command_line(command, trained=True)} --help all` lists every option."
    names = {group: cls.__name__ for group, cls in classes.items()}
    return (
        absent_classes(command, classes, settings)
        or absent_option(settings, options.values(), names)
        or tidy(message)
    )


def tidy(message: str) -> str:
    """Shorten a message of jsonargparse to a few lines."""
    lines = [line for line in message.splitlines() if line.strip()]
    lines = [line for line in lines if not line.strip().startswith(("Given value", "Subtypes"))]
    return "\n".join(lines[:MAX_LINES])


def _value_problem(setting: Setting, option: Option, parser: OptionsParser) -> str | None:
    if not option.accepts:
        return None
    if needs_value(setting):
        return without_value(option)
    config = Namespace()
    config[option.key] = setting.value
    try:
        parser.validate(config, skip_required=True)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(setting.value, (dict, list)) and "class_path" in str(setting.value):
            return f"{option.key} ({setting.source}): {tidy(str(error))}"
        return wrong_value(setting, option)
    return None


def try_whole_numbers_first(parser: OptionsParser) -> None:
    """Read `1` as a whole number wherever an option takes whole numbers and shares.

    `typing` gives equal unions the order of the first one in the process. If another package has
    made a union of float and int before Lightning is imported, as mmengine does, the trainer would
    read `limit_train_batches: 1`, one batch, as the share 1.0, all of them.
    """
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
        if {int, float} <= {*members}:
            # Unlike `Union[...]`, `|` keeps its own order.
            whole_first = sorted(members, key=lambda member: member is not int)
            action._typehint = reduce(or_, whole_first)  # type: ignore[attr-defined]


def options_of(parser: OptionsParser, group: str | None = None) -> dict[str, Option]:
    """The options of a parser by key.

    Args:
        parser: The parser.
        group: Leave out all but those below this key, such as `"model"`.
    """
    prefix = "" if group is None else f"{group}."
    found = (a for a in parser._actions if a.dest.startswith(prefix) and a.dest != BASE)
    return {action.dest: _to_option(action) for action in found}


def _to_option(action: Action) -> Option:
    hint = getattr(action, "_typehint", None)
    about = " ".join((action.help or "").split())
    return Option(
        key=action.dest,
        accepts=() if hint is None else tuple(_alternatives(hint)),
        default=_plain(action.default),
        help="" if about == SUPPRESS else about,
        required=action.required,
    )


def _plain(value: Any) -> Any:
    """A default as JSON has it; what JSON lacks as text."""
    if isinstance(value, str) and value == SUPPRESS:
        return None
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _alternatives(hint: Any) -> list[str]:
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return list(dict.fromkeys(word for member in members for word in _alternatives(member)))
    if origin is Literal:
        return [repr(member) for member in members]
    return [describe(hint)]


def describe(hint: Any) -> str:
    """A type in words, such as `"int or null"` or `"'bicubic' or 'bilinear'"`."""
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType, Literal):
        return " or ".join(_alternatives(hint))
    if hint is types.NoneType:
        return "null"
    if hint is bool:
        return "true or false"
    if members:
        inner = ", ".join(describe(member) for member in members if member is not Ellipsis)
        return f"{getattr(origin, '__name__', origin)} of {inner}"
    return getattr(hint, "__name__", str(hint))
