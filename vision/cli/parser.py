"""The parser of the options: no abbreviated keys, errors in the words of the user."""

import difflib
import traceback
import types
from argparse import SUPPRESS, Action
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from vision.cli.names import CLASSES, WHAT, find_class
from vision.cli.settings import COMMAND_LINE, INIT_ARGS, Setting
from vision.errors import ConfigError, VisionError, suggest
from vision.options import UNEXPECTED

MAX_LINES = 6
NEAR = 0.6


class ParserError(Exception):
    """The parser refused something; `explain` turns it into a message."""


class OptionsParser(LightningArgumentParser):
    """LightningCLI's parser, which takes keys in full only and raises instead of exiting.

    Takes the arguments of `jsonargparse.ArgumentParser`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise a `ParserError`, or what jsonargparse expects while it tries alternatives."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise ParserError(message) from ex

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        """Build what the options choose; an error of a constructor is a `ConfigError`."""
        with _constructing():
            return super().instantiate_classes(*args, **kwargs)

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """The same, by its later name."""
        with _constructing():
            return super().instantiate(*args, **kwargs)

    def format_help(self, *args: Any) -> str:
        """The options of the command, then of every task and dataset."""
        text = super().format_help(*args)
        if "model" not in {action.dest for action in self._actions}:
            return text
        for group, names in CLASSES.items():
            for name in names:
                options = class_options(group, find_class(group, name, source=""))
                text += f"\noptions of --{group} {name}:\n{_options_help(options)}"
        return text


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
    options = {action.dest: (parser, action) for action in parser._actions}
    for group, cls in classes.items():
        own = class_options(group, cls)
        options |= {a.dest: (own, a) for a in own._actions if a.dest.startswith(f"{group}.")}
    for setting in settings:
        if problem := _problem(setting, options, classes):
            return f"{problem}\n`python train.py {command} --help` lists every option."
    absent = [group for group in CLASSES if group not in classes]
    if absent:
        return (
            f"{command} needs a {' and a '.join(WHAT[group] for group in absent)}: give a config "
            "with --config FILE.yaml, "
            f"or name {'it' if len(absent) == 1 else 'them'} with "
            f"{' '.join(f'--{group} {next(iter(CLASSES[group]))}' for group in absent)}.\n"
            "Configs to start from are in the folder configs."
        )
    given = {setting.plain_key for setting in settings}
    for key, (_, action) in options.items():
        if action.required and key not in given:
            group = key.partition(".")[0]
            return f"{classes[group].__name__} needs {key}: give it with --{key} VALUE."
    return tidy(message)


def tidy(message: str) -> str:
    """Shorten a message of jsonargparse to a few lines."""
    lines = [line for line in message.splitlines() if line.strip()]
    lines = [line for line in lines if not line.strip().startswith(("Given value", "Subtypes"))]
    return "\n".join(lines[:MAX_LINES])


def _problem(
    setting: Setting,
    options: Mapping[str, tuple[OptionsParser, Action]],
    classes: Mapping[str, type],
) -> str | None:
    key = setting.plain_key.removesuffix("+")
    group = key.partition(".")[0]
    inside = [option for option in options if key.startswith(f"{option}.")]
    # A group (of a dataclass) has options of its own; any other value hides what it holds.
    inside = [name for name in inside if not any(o.startswith(f"{name}.") for o in options)]
    if group in CLASSES:
        structural = setting.key in (group, f"{group}.class_path", f"{group}.init_args")
        # Without a class its options are not known; inside a value they are its own affair.
        if structural or group not in classes or inside:
            return None
        from_file_misplaced = setting.source != COMMAND_LINE and INIT_ARGS not in setting.key
        if key in options and from_file_misplaced:
            right = key.replace(".", INIT_ARGS, 1)
            return f"'{key}' ({setting.source}) belongs one level deeper: '{right}'."
    elif inside:
        return None
    if key in options:
        return _value_problem(setting, key, *options[key])
    if any(option.startswith(f"{key}.") for option in options):
        return f"'{key}' ({setting.source}) is a group of options: set one of them, {key}.KEY."
    return f"there is no option '{key}' ({setting.source}).{_nearest(key, options)}"


def _value_problem(setting: Setting, key: str, parser: OptionsParser, action: Action) -> str | None:
    hint = getattr(action, "_typehint", None)
    if hint is None or key in CLASSES:
        return None
    if setting.value is None and setting.source == COMMAND_LINE:
        return f"--{key} needs a value: {describe(hint)}."
    config = Namespace()
    config[key] = setting.value
    try:
        parser.validate(config, skip_required=True)
    except (TypeError, ValueError, KeyError) as error:
        if isinstance(setting.value, (dict, list)) and "class_path" in str(setting.value):
            return f"{key} ({setting.source}): {tidy(str(error))}"
        near = suggest(str(setting.value), _literals(hint))
        return f"{key} must be {describe(hint)}; got {setting.value!r} ({setting.source}).{near}"
    return None


def describe(hint: Any) -> str:
    """A type in words, such as `"int or null"` or `"'bicubic' or 'bilinear'"`."""
    origin, members = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(member) for member in members))
    if origin is Literal:
        return " or ".join(repr(member) for member in members)
    if hint is types.NoneType:
        return "null"
    if hint is bool:
        return "true or false"
    if members:
        inner = ", ".join(describe(member) for member in members if member is not Ellipsis)
        return f"{getattr(origin, '__name__', origin)} of {inner}"
    return getattr(hint, "__name__", str(hint))


def _literals(hint: Any) -> list[str]:
    if get_origin(hint) is Literal:
        return [str(member) for member in get_args(hint)]
    return [text for member in get_args(hint) for text in _literals(member)]


def _nearest(key: str, options: Mapping[str, Any]) -> str:
    leaf = key.rpartition(".")[2]

    def closeness(option: str) -> float:
        whole = difflib.SequenceMatcher(None, key, option).ratio()
        own_leaf = option.rpartition(".")[2]
        # A key that is right but for its group should be found: lr for model.optim.lr.
        return max(whole, difflib.SequenceMatcher(None, leaf, own_leaf).ratio() - 0.01)

    ranked = sorted(options, key=closeness, reverse=True)
    best = [option for option in ranked[:2] if closeness(option) >= NEAR]
    if len(best) == 2 and closeness(best[0]) - closeness(best[1]) > 0.1:
        best = best[:1]
    return f" Did you mean {' or '.join(repr(option) for option in best)}?" if best else ""


def _options_help(parser: OptionsParser) -> str:
    text = super(OptionsParser, parser).format_help()
    start = text.find("  --")
    return text[start:] if start >= 0 else text
