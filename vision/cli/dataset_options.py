"""A datamodule from its name and options, for commands that run no task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vision.cli.announce import announce
from vision.cli.help_screens import option_lines
from vision.cli.names import CLASSES, check_class_name, find_class
from vision.cli.option_table import Choice, option_table
from vision.cli.plain_values import is_possible
from vision.cli.settings import COMMAND_LINE
from vision.cli.start import own_choice
from vision.errors import ConfigError, shown, suggest
from vision.line_width import fit_text, help_width
from vision.program import command


def build_dataset(name: str, words: Sequence[str], *, usage: str, begins: str) -> Any:
    """The datamodule of a name and its options.

    Args:
        name: A dataset of the suite, or the import path of a class.
        words: Its options, `--KEY VALUE` or `--data.KEY VALUE`.
        usage: How the command is used, for errors.
        begins: What is announced when the options are plainly right, before it is imported.

    Raises:
        ConfigError: There is no such dataset, or an option is unknown, missing or of another type.
    """
    check_class_name("data", name, source=COMMAND_LINE)
    if (choice := option_table().classes["data"].get(_short_name(name))) is not None:
        _refuse_mistakes(name, words, choice, usage)
    announce(begins)
    from vision.cli.parser import OptionsParser, ParserError, tidy

    cls = find_class("data", name, source="command line")
    parser = OptionsParser(add_help=False)
    parser.add_class_arguments(cls, "data", fail_untyped=False, sub_configs=False)
    actions = {
        action.dest.removeprefix("data."): action
        for action in parser._actions
        if action.dest.startswith("data.")
    }
    given = dict(_pairs(words, actions, usage))
    for key, action in actions.items():
        if action.required and key not in given:
            raise ConfigError(f"{name} needs --{key} VALUE.")
    try:
        options = parser.parse_args([f"--data.{key}={value}" for key, value in given.items()])
    except ParserError as error:
        message = tidy(str(error)).replace('"data.', '"--')
        raise ConfigError(f"{message}\n{_more_help(name)}") from error
    return parser.instantiate(options)["data"]


def _short_name(name: str) -> str:
    """The name of a dataset of the suite that is given by its import path."""
    return {path: short for short, path in CLASSES["data"].items()}.get(name, name)


def _refuse_mistakes(name: str, words: Sequence[str], choice: Choice, usage: str) -> None:
    """Refuse what is wrong for certain, before anything heavy is imported."""
    options = {option.key.removeprefix("data."): option for option in choice.options}
    given = dict(_pairs(words, options, usage))
    for key, option in options.items():
        if option.required and key not in given:
            raise ConfigError(f"{name} needs --{key} VALUE.")
        if key in given and not is_possible(given[key], option):
            raise ConfigError(
                f"--{key} must be {option.type}; got {shown(given[key])}.\n{_more_help(name)}"
            )


def _more_help(name: str) -> str:
    return f"`{command('check-dataset')} {name} --help` lists every option."


def _pairs(words: Sequence[str], keys: Mapping[str, Any], usage: str) -> Iterator[tuple[str, str]]:
    """Key and value of each option."""
    remaining = list(words)
    while remaining:
        flag, equals, value = remaining.pop(0).partition("=")
        key = flag.removeprefix("--").removeprefix("data.").replace("-", "_")
        if not flag.startswith("--"):
            raise ConfigError(
                f"'{flag}' is not an option: options are written --KEY VALUE.\n{usage}"
            )
        if key not in keys:
            raise ConfigError(f"there is no option '{flag}'.{suggest(key, keys)}")
        if not equals:
            if not remaining or remaining[0].startswith("--"):
                raise ConfigError(f"{flag} needs a value.")
            value = remaining.pop(0)
        yield key, value


def dataset_help(name: str | None) -> str:
    """The names of the suite's datasets, and the options of one.

    Args:
        name: The dataset; None for the names only.

    Raises:
        ConfigError: There is no such dataset.
    """
    text = fit_text(f"NAME is one of {', '.join(CLASSES['data'])}.", help_width()) + "\n"
    if name is None:
        return text
    check_class_name("data", name, source=COMMAND_LINE)
    choice = option_table().classes["data"].get(_short_name(name)) or own_choice("data", name)
    lines = "\n".join(option_lines(choice.options, without="data."))
    return f"{text}\noptions of {name}:\n{lines}"
