"""A datamodule from its name and options, for commands that run no task."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vision.errors import ConfigError, suggest
from vision.program import command


def build_dataset(name: str, words: Sequence[str], *, usage: str) -> Any:
    """The datamodule of a name and its options.

    Args:
        name: A dataset of the suite, or the import path of a class.
        words: Its options, `--KEY VALUE` or `--data.KEY VALUE`.
        usage: How the command is used, for errors.

    Raises:
        ConfigError: There is no such dataset, or an option is unknown, missing or of another type.
    """
    from vision.cli.names import find_class
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
        raise ConfigError(
            f"{message}\n`{command('check-dataset')} {name} --help` lists every option."
        ) from error
    return parser.instantiate(options)["data"]


def _pairs(words: Sequence[str], keys: Mapping[str, Any], usage: str) -> Iterator[tuple[str, str]]:
    """Key and value of each option."""
    remaining = list(words)
    while remaining:
        flag, equals, value = remaining.pop(0).partition("=")
        key = flag.removeprefix("--").removeprefix("data.")
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
    from vision.cli.names import CLASSES, find_class
    from vision.cli.parser import class_options

    text = f"NAME is one of {', '.join(CLASSES['data'])}.\n"
    if name is None:
        return text
    options = class_options("data", find_class("data", name, source="command line")).format_help()
    options = options[options.find("  --data.") :].replace("--data.", "--")
    return f"{text}\noptions of {name}:\n{options}"
