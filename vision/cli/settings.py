"""The settings of a user and their sources: all keys of config files and command line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vision.documents.text import read_text
from vision.documents.yaml_text import loaded_yaml
from vision.errors import ConfigError
from vision.reading import MAX_SETTINGS_BYTES, shown_path

CONFIG_FLAGS = ("--config", "-c")
INIT_ARGS = ".init_args."
COMMAND_LINE = "command line"


class Setting(NamedTuple):
    """One key that a user has set.

    Attributes:
        key: Dotted key as written, such as `"model.init_args.frozen_stages"`.
        value: Its value; a mapping's entries follow as settings of their own.
        source: `"command line"`, or the file and the line.
    """

    key: str
    value: Any
    source: str

    @property
    def plain_key(self) -> str:
        """The key as the command line spells it, without `init_args`: `"model.frozen_stages"`."""
        return self.key.replace(INIT_ARGS, ".")


def find_configs(args: Sequence[str], root: Path) -> list[str]:
    """Replace config paths that exist only below `root`, where the suite's own configs are.

    Args:
        args: Arguments of the command line.
        root: Folder to look in when the current directory does not have a path.

    Returns:
        The arguments, with absolute paths in place of those found below `root`.
    """
    found = list(args)
    for i, arg in enumerate(args):
        flag, equals, path = arg.partition("=")
        if flag not in CONFIG_FLAGS:
            continue
        position, prefix = (i, f"{flag}=") if equals else (i + 1, "")
        path = path if equals else "".join(args[i + 1 : i + 2])
        if path and not Path(path).exists() and (root / path).is_file():
            found[position] = f"{prefix}{root / path}"
    return found


def read_settings(args: Sequence[str]) -> list[Setting]:
    """List everything that the config files and the arguments set, in order.

    Args:
        args: Arguments after the subcommand.

    Raises:
        ConfigError: A config file is missing or is not YAML, or an argument is not an option.
    """
    settings: list[Setting] = []
    remaining = list(args)
    while remaining:
        flag, equals, text = remaining.pop(0).partition("=")
        if not flag.startswith("--") and flag not in CONFIG_FLAGS:
            raise ConfigError(
                f"'{flag}' is not an option: options are written --key value, a value with "
                'spaces or brackets in quotes: --key "[1, 2]".'
            )
        value: str | None = text if equals else None
        if not equals and remaining and not remaining[0].startswith("--"):
            value = remaining.pop(0)
        if flag in CONFIG_FLAGS:
            if not value:
                raise ConfigError("--config needs a path: --config FILE.yaml")
            settings += read_config(Path(value))
        else:
            settings.append(Setting(flag.removeprefix("--"), value, COMMAND_LINE))
    return settings


def read_config(path: Path) -> list[Setting]:
    """List everything that a YAML file sets, in order.

    Raises:
        ConfigError: The file is missing, is not YAML, or is not a mapping with unique keys.
    """
    text = read_text(path, max_bytes=MAX_SETTINGS_BYTES, what="config", error=ConfigError)
    name = shown_path(path)
    with loaded_yaml(text, name, error=ConfigError) as (loader, node):
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"the config {name} holds no 'key: value' lines.")
        return list(_walk(loader, node, "", path))


def _walk(
    loader: yaml.SafeLoader, mapping: yaml.MappingNode, prefix: str, path: Path
) -> Iterator[Setting]:
    loader.flatten_mapping(mapping)
    for key_node, node in mapping.value:
        key = f"{prefix}{key_node.value}"
        value = loader.construct_object(node, deep=True)
        yield Setting(key, value, f"{path}, line {key_node.start_mark.line + 1}")
        if isinstance(node, yaml.MappingNode):
            yield from _walk(loader, node, f"{key}.", path)
