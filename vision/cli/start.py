"""The start of a training command: what can be answered before PyTorch is imported."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from vision.cli.announce import announce
from vision.cli.help_screens import command_help, topic_help
from vision.cli.mistakes import absent_classes, absent_option, find_mistake, judge_plainly
from vision.cli.names import (
    CLASSES,
    CONFIG_SUFFIXES,
    check_class_name,
    chosen_names,
    find_class,
    first_line,
)
from vision.cli.option_table import Choice, OptionTable, option_table
from vision.cli.settings import COMMAND_LINE, Setting, find_configs, read_settings
from vision.cli.short_options import full_key, in_full
from vision.errors import ConfigError, VisionError
from vision.program import command as command_line

HELP = ("-h", "--help")
PRINT_CONFIG = "--print_config"


def start(command: str, about: str, args: Sequence[str]) -> None:
    """Run a training command, or show its help.

    A mistake that the settings alone show is an error before anything heavy is imported, and a line
    says that the command has begun.

    Args:
        command: `"fit"`, `"validate"`, `"test"` or `"predict"`.
        about: What it does, in a few words.
        args: The options after it.

    Raises:
        VisionError: The user can fix the cause.
    """
    with _short_forms_explained(args):
        topic, args = take_help(in_full(args))
        if topic == "":
            sys.stdout.write(command_help(command, about))
            return
        settings = read_settings(find_configs(args))
        names = chosen_names(settings)
        if topic is not None:
            sys.stdout.write(topic_help(command, topic, {**_chosen(names), **_own(names)}))
            return
        begins = not any(flag == PRINT_CONFIG or flag.endswith(".help") for flag in _flags(args))
        refuse_mistakes(command, settings, names, whole=begins)
        if begins:
            _begin(command, settings, names)
        from vision.cli.app import run

        run(command, args)


def take_help(args: Sequence[str]) -> tuple[str | None, list[str]]:
    """The topic of `--help TOPIC` or `--TOPIC.help [NAME]`, and the other arguments.

    Args:
        args: Arguments by their full keys.

    Returns:
        None for the topic where no help is asked for, empty for `--help` alone. What the parser has
        help on, such as `--trainer.callbacks.help CLASS`, is left to it.
    """
    for place, arg in enumerate(args):
        flag, equals, topic = arg.partition("=")
        group = flag.removeprefix("--").removesuffix(".help")
        asked = flag in HELP
        if not asked and not (flag.endswith(".help") and group in (*CLASSES, "trainer")):
            continue
        used = 1
        following = args[place + 1 : place + 2]
        if not equals and following and not following[0].startswith("-"):
            topic, used = following[0], 2
        rest = [*args[:place], *args[place + used :]]
        if asked:
            return topic.replace("-", "_"), rest
        return f"{group}.{topic}".rstrip("."), rest
    return None, list(args)


def refuse_mistakes(
    command: str,
    settings: Sequence[Setting],
    names: Mapping[str, Setting],
    *,
    whole: bool,
) -> None:
    """Refuse what the settings alone show to be wrong; the parser judges the rest.

    Args:
        command: Name of the command.
        settings: Everything that the user has set.
        names: The settings that choose the task and the dataset.
        whole: Whether nothing that the command needs may be absent.

    Raises:
        ConfigError: A name, an option or a value is wrong.
    """
    for group, setting in names.items():
        check_class_name(group, setting.value, source=setting.source)
    table = option_table()
    chosen = _chosen(names)
    options = {option.key: option for option in (*table.commands[command], *table.trainer)}
    for _, choice in chosen.values():
        options |= {option.key: option for option in choice.options}
    judged = [s for s in settings if _is_known(s.key, table)]
    if problem := find_mistake(judged, options, chosen, judge_plainly):
        raise ConfigError(
            f"{problem}\n`{command_line(command, trained=True)} --help all` lists every option."
        )
    if not whole:
        return
    files = {s.key for s in settings if s.key in CLASSES and _is_file(s.value)}
    if problem := absent_classes(command, {*names, *files}, settings):
        raise ConfigError(problem)
    if problem := absent_option(
        settings, options.values(), {group: name for group, (name, _) in chosen.items()}
    ):
        raise ConfigError(problem)


def _flags(args: Sequence[str]) -> list[str]:
    return [arg.partition("=")[0] for arg in args]


def _is_known(key: str, table: OptionTable) -> bool:
    """Whether the table is right about a key: not for another trainer, nor keywords of a class."""
    if key.startswith("trainer."):
        return table.knows_trainer
    return ".dict_kwargs" not in key


def _chosen(names: Mapping[str, Setting]) -> dict[str, tuple[str, Choice]]:
    """Name and options of the chosen classes that the table knows."""
    classes = option_table().classes
    found = {}
    for group, setting in names.items():
        name = {path: name for name, path in CLASSES[group].items()}.get(
            setting.value, setting.value
        )
        if name in classes[group]:
            found[group] = name, classes[group][name]
    return found


def _own(names: Mapping[str, Setting]) -> dict[str, tuple[str, Choice]]:
    """Name and options of the chosen classes that the table does not know: they are imported."""
    return {
        group: (setting.value.rpartition(".")[2], own_choice(group, setting.value))
        for group, setting in names.items()
        if group not in _chosen(names)
    }


def own_choice(group: str, name: str) -> Choice:
    """The options of a class that the table does not know; it is imported.

    Args:
        group: `"model"` or `"data"`.
        name: Its import path.

    Raises:
        ConfigError: There is no such class.
    """
    from vision.cli.parser import class_options, options_of

    cls = find_class(group, name, source=COMMAND_LINE)
    options = options_of(class_options(group, cls), group)
    return Choice(first_line(cls), tuple(options.values()))


def _is_file(value: object) -> bool:
    return isinstance(value, str) and value.endswith(CONFIG_SUFFIXES)


def _begin(command: str, settings: Sequence[Setting], names: Mapping[str, Setting]) -> None:
    run = next((s.value for s in reversed(settings) if s.key == "name" and s.value), "run")
    leaves = [names[g].value.rpartition(".")[2] for g in ("model", "data") if g in names]
    what = f" ({' on '.join(leaves)})" if leaves else ""
    announce(f"{command} {run}{what}")


@contextmanager
def _short_forms_explained(args: Sequence[str]) -> Iterator[None]:
    """Add to an error the short forms of the options that it names."""
    try:
        yield
    except VisionError as error:
        text = str(error)
        for arg in args:
            typed = arg.partition("=")[0]
            key = full_key(typed.removeprefix("--"))
            leaf = re.escape(key.rpartition(".")[2])
            short = typed.startswith("--") and typed.removeprefix("--").replace("-", "_") != key
            if short and typed not in text and re.search(rf"\b{leaf}\b", text):
                error.args = (f"{text}\n{typed} is short for --{key}.",)
        raise
