"""Cards of the suite's configs: task, dataset, backbone, published and own result."""

import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from vision.cli.config_files import PARTS, SUFFIX, config_names, configs_folder
from vision.cli.settings import find_configs, read_settings
from vision.errors import ConfigError, suggest

# The entries of a config's head, each to the next one or to an empty line.
_ENTRY = re.compile(
    r"(Published|Ours|Hardware): (.*?)(?= *(?:Published|Ours|Hardware):|\n\n|\Z)", re.S
)
# Where the first number of a result ends: its split, its conditions, or another result.
_DETAIL = re.compile(r"[;.]( .*|$)| (on|in|for|after|by) .*|, AP50 .*")


class ConfigCard(NamedTuple):
    """What a config is for.

    Attributes:
        name: Its name, as `--config` accepts it.
        task: Class of its task.
        dataset: Class of its datamodule.
        backbone: Name of its backbone.
        published: Published result and its source.
        ours: Our own result.
    """

    name: str
    task: str
    dataset: str
    backbone: str
    published: str
    ours: str


def list_cards(pattern: str = "*") -> list[ConfigCard]:
    """The cards of the configs that make a run.

    Args:
        pattern: A part of their names, or a pattern with `*` and `?` for whole names, from any of
            their folders on.

    Raises:
        ConfigError: No name matches.
    """
    names = [name for name in config_names() if not name.startswith(f"{PARTS}/")]
    # As --config accepts a name without its first folders, a pattern may leave them out.
    wanted = f"*/{pattern}" if set("*?[") & set(pattern) else f"*{pattern}*"
    found = [name for name in names if fnmatchcase(f"/{name}", wanted)]
    if not found:
        raise ConfigError(f"no config matches '{pattern}'.{suggest(pattern, _ends(names))}")
    return [read_card(name) for name in found]


def _ends(names: list[str]) -> list[str]:
    """Names with and without their folders, for suggestions."""
    ends = [
        end for name in names for end in (name, name.partition("/")[2], name.rpartition("/")[2])
    ]
    return [*dict.fromkeys(ends)]


def read_card(name: str) -> ConfigCard:
    """The card of one of the suite's configs."""
    path = configs_folder() / f"{name}{SUFFIX}"
    settings = read_settings(find_configs(["--config", str(path)]))
    values = {setting.plain_key: setting.value for setting in settings}
    head = re.sub(r"^# ?", "", path.read_text().partition("\nname:")[0], flags=re.M)
    entries = {key: " ".join(value.split()) for key, value in _ENTRY.findall(head)}
    return ConfigCard(
        name=name,
        task=values["model.class_path"],
        dataset=values["data.class_path"],
        backbone=values["model.backbone"],
        published=entries["Published"],
        ours=entries["Ours"],
    )


def shortened(result: str) -> str:
    """A result in a few words: without its source, its split and its conditions."""
    short = _DETAIL.sub("", re.sub(r" ?\([^)]*\)", "", result)).strip()
    return "-" if short.startswith("none") else short
