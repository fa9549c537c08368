"""What a user has set, and where: every key of the config files and of the command line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vision.errors import ConfigError, suggest

CONFIG_FLAGS = ("--config", "-c")
INIT_ARGS = ".init_args."
COMMAND_LINE = "command line"


class Setting(NamedTuple):
    """One key that a user has set.

    Attributes:
        key: Dotted key as written, such as `"model.init_args.freeze"`.
        value: Its value; a mapping's entries follow as settings of their own.
        source: `"command line"`, or the file and the line.
    """

    key: str
    value: Any
    source: str

    @property
    def plain_key(self) -> str:
        """The key as the command line spells it, without `init_args`: `"model.freeze"`."""
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
    if not path.is_file():
        near = [str(other) for other in path.parent.glob("*.yaml")]
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ConfigError(
            f"the config '{path}' {what}; it was looked for at {path.resolve()}."
            f"{suggest(str(path), near)}"
        )
    loader = None
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(f"the config '{path}' holds no 'key: value' lines.")
        return list(_walk(loader, node, "", path))
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_yaml_message(path, error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"the config '{path}' is not a YAML text: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()


def _walk(
    loader: yaml.SafeLoader, mapping: yaml.MappingNode, prefix: str, path: Path
) -> Iterator[Setting]:
    seen: dict[str, int] = {}
    for key_node, _ in mapping.value:
        line = key_node.start_mark.line + 1
        if key_node.value in seen:
            raise ConfigError(
                f"{path}, line {line}: '{prefix}{key_node.value}' is already set in line "
                f"{seen[key_node.value]}. Keep one of the two."
            )
        seen[key_node.value] = line
    loader.flatten_mapping(mapping)
    for key_node, node in mapping.value:
        key = f"{prefix}{key_node.value}"
        value = loader.construct_object(node, deep=True)
        yield Setting(key, value, f"{path}, line {key_node.start_mark.line + 1}")
        if isinstance(node, yaml.MappingNode):
            yield from _walk(loader, node, f"{key}.", path)


def _yaml_message(path: Path, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"the config '{path}' is not valid YAML: {error}"
    lines = path.read_text(encoding="utf-8").splitlines()
    shown = lines[mark.line].rstrip() if mark.line < len(lines) else "(end of the file)"
    return (
        f"{path}, line {mark.line + 1}, column {mark.column + 1}: not valid YAML: "
        f"{error.problem or error.context}.\n"
        f"  {shown}\n"
        "Check the indentation here and in the line above: spaces only, the same number for keys "
        "of one level."
    )
