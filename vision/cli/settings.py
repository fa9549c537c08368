"""The settings of a user and their sources: all keys of config files and command line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from vision.cli.config_files import BASE, base_files, find_config, part_advice
from vision.documents.text import read_text
from vision.documents.yaml_text import loaded_yaml
from vision.errors import ConfigError, shown
from vision.reading import MAX_SETTINGS_BYTES, shown_path

CONFIG_FLAGS = ("--config", "-c")
INIT_ARGS = ".init_args."
BACKBONE = "model.backbone"
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


def find_configs(args: Sequence[str]) -> list[str]:
    """Replace the names of configs by their paths, and put what each builds on before it.

    What several configs build on stands only before the first.

    Args:
        args: Arguments of the command line.

    Raises:
        ConfigError: There is no such config, or what it builds on is absent or builds on others.
    """
    found: list[str] = []
    listed: set[Path] = set()
    remaining = list(args)
    while remaining:
        word = remaining.pop(0)
        flag, equals, given = word.partition("=")
        if flag in CONFIG_FLAGS and not equals and remaining and not remaining[0].startswith("--"):
            given = remaining.pop(0)
        if flag not in CONFIG_FLAGS or not given:
            found.append(word)
            continue
        path = find_config(given)
        bases = [base for base in _bases_of(path) if base.resolve() not in listed]
        for file in (*bases, path):
            found += [flag, str(file)]
            listed.add(file.resolve())
    return found


def _bases_of(path: Path) -> list[Path]:
    """The files that a config builds on: one level, so that a reader knows where to look."""
    bases: list[Path] = []
    for setting in read_config(path):
        if setting.key == BASE:
            bases = [*base_files(setting.value, path, setting.source)]
    for base in bases:
        for setting in read_config(base):
            if setting.key == BASE:
                raise ConfigError(
                    f"{BASE} ({setting.source}): a file that others build on builds on none. Name "
                    f"{shown(setting.value)} in {shown_path(path)} too, and before it."
                )
    return bases


def read_settings(args: Sequence[str]) -> list[Setting]:
    """List everything that the config files and the arguments set, in order.

    Args:
        args: Arguments after the subcommand.

    Raises:
        ConfigError: A config file is missing or is not YAML, an argument is not an option, or all
            configs are parts that others build on.
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
            # What it builds on stands before it: `find_configs`.
            settings += [one for one in read_config(Path(value)) if one.key != BASE]
        elif flag == f"--{BASE}":
            raise ConfigError(
                f"{BASE} is a key of config files; on the command line give several configs, what "
                "they build on first: --config FILE --config FILE."
            )
        else:
            key = flag.removeprefix("--")
            settings += [Setting(key, value, COMMAND_LINE), *_entries(key, value or "")]
    has_backbone = any(setting.plain_key == BACKBONE for setting in settings)
    if not has_backbone and (advice := part_advice(files_of(settings))):
        raise ConfigError(advice)
    return settings


def _entries(key: str, text: str) -> list[Setting]:
    """What a mapping on the command line sets, such as `--data.augment "{mosaic: 0.5}"`.

    Numbers and words are the texts that they are written as, like those of other arguments.
    """
    if not text.lstrip().startswith("{"):
        return []
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        return list(_pairs(loader, node, key)) if isinstance(node, yaml.MappingNode) else []
    except yaml.YAMLError:  # the parser has the last word
        return []
    finally:
        loader.dispose()


def _pairs(loader: yaml.SafeLoader, mapping: yaml.MappingNode, prefix: str) -> Iterator[Setting]:
    for key_node, node in mapping.value:
        key = f"{prefix}.{key_node.value}"
        is_text = isinstance(node, yaml.ScalarNode)
        value = node.value if is_text else loader.construct_object(node, deep=True)
        yield Setting(key, value, COMMAND_LINE)
        if isinstance(node, yaml.MappingNode):
            yield from _pairs(loader, node, key)


def files_of(settings: Sequence[Setting]) -> list[str]:
    """The config files that settings come from, in their order."""
    sources = [setting.source for setting in settings if setting.source != COMMAND_LINE]
    return [*dict.fromkeys(source.rpartition(", line ")[0] for source in sources)]


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
