"""Config files: the suite's own by their names, and the files that a config builds on."""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from vision.errors import ConfigError, listed, shown, suggest
from vision.program import CLONE, PACKAGE, command
from vision.reading import shown_path

FOLDER = "configs"
# Folder of the files that others build on and that make no run by themselves.
PARTS = "_base"
SUFFIX = ".yaml"
# The key of a config that names the files that it builds on.
BASE = "base"
# Configs of one name that a message lists: a kind of task each.
MAX_LISTED = 10
# Configs of a part of a run that a message lists.
MAX_PARTS = 40


def configs_folder() -> Path:
    """Where the suite's own configs lie: in the installed package, or at the top of a clone."""
    installed = PACKAGE / FOLDER
    return installed if installed.is_dir() else CLONE / FOLDER


def config_names() -> list[str]:
    """Names of the suite's own configs, such as `"detection/coco/swin_tiny_mask_rcnn_3x"`."""
    folder = configs_folder()
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    return [path.relative_to(folder).as_posix().removesuffix(SUFFIX) for path in paths]


def part_names() -> list[str]:
    """Names of those that others build on, such as `"_base/coco_3x"`."""
    return [name for name in config_names() if name.startswith(f"{PARTS}/")]


def short_name(name: str) -> str:
    """The name of one of the suite's configs without its first folder, where that is enough."""
    short = name.partition("/")[2]
    return short if [one.partition("/")[2] for one in config_names()].count(short) == 1 else name


def find_config(given: str, folder: Path = Path()) -> Path:
    """The file of a config.

    Args:
        given: Its path, or the name of one of the suite's own, of which the first folders and the
            ending may be absent: `coco/swin_tiny_mask_rcnn_3x`.
        folder: What a path is relative to.

    Raises:
        ConfigError: There is none, or several have this name.
    """
    beside = folder / given
    if os.path.lexists(beside):
        return beside
    name = given.removeprefix("./").removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)
    names = config_names()
    found = [one for one in names if one == name] or [
        one for one in names if one.endswith(f"/{name}")
    ]
    if len(found) > 1:
        raise ConfigError(
            f"several configs have the name {shown_path(given)}: "
            f"{listed(found, maximum=MAX_LISTED)}. Give one in full."
        )
    if found:
        return configs_folder() / f"{found[0]}{SUFFIX}"
    raise ConfigError(_absent(given, beside, name, names))


def _absent(given: str, beside: Path, name: str, names: list[str]) -> str:
    folder, file = os.path.split(os.path.abspath(beside))
    try:
        near = [other for other in os.listdir(folder) if other.endswith((SUFFIX, ".yml", ".json"))]
    except (OSError, ValueError):
        near = []
    depth = name.count("/") + 1
    ends = dict.fromkeys("/".join(one.split("/")[-depth:]) for one in names)
    hint = suggest(file, near) or suggest(name, ends)
    looked = shown_path(os.path.join(folder, file))
    return (
        f"there is no config {shown_path(given)}: no file {looked}, and no config of the suite."
        f"{hint}\n`{command('configs')}` lists those of the suite."
    )


def base_files(value: Any, config: Path, source: str) -> Iterator[Path]:
    """The files that a config builds on.

    Args:
        value: The value of its key `base`: a path, relative to the config's folder, or the name of
            a config of the suite, or a list of these.
        config: The config.
        source: File and line of the key, for errors.

    Raises:
        ConfigError: The value has another type, or names the config itself or an absent file.
    """
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name:
            raise ConfigError(
                f"{BASE} ({source}) is {shown(value)}; expected the path of a config, or a list of "
                "paths."
            )
        try:
            file = find_config(name, config.parent)
        except ConfigError as error:
            raise ConfigError(
                f"{BASE} ({source}): {error}\nPaths are relative to the folder of the config."
            ) from None
        if file.resolve() == config.resolve():
            raise ConfigError(f"{BASE} ({source}): the config names itself; remove it.")
        yield file


def users_of(part: Path) -> list[str]:
    """Names of the suite's own configs that build on a file.

    Args:
        part: The file.
    """
    folder = configs_folder()
    named = f"{PARTS}/{part.name}"
    users = (name for name in config_names() if not name.startswith(f"{PARTS}/"))
    return [name for name in users if named in _head((folder / f"{name}{SUFFIX}").read_text())]


def _head(text: str) -> str:
    """The first lines of a config, which name what it builds on."""
    return text.partition("\nmodel:")[0]


def part_advice(files: Collection[str]) -> str:
    """How configs are used that make no run by themselves; empty if one of them does.

    Args:
        files: Their paths.
    """
    folder = (configs_folder() / PARTS).resolve()
    if not files or any(Path(file).parent.resolve() != folder for file in files):
        return ""
    path = Path(next(iter(files)))
    users = users_of(path)
    use = f"Configs build on it, such as {listed(users, maximum=2)}."
    if not users:
        use = f"Give it after the config of a run: --config NAME --config {path}."
    return f"{shown_path(path)} makes no run by itself. {use}"


def config_advice(files: Collection[str]) -> str:
    """What is lacking where configs choose no task or no dataset.

    Args:
        files: Their paths.
    """
    if files:
        return (
            f"A config of a part of a run names the rest, `{BASE}: FILE`: a file of yours, or one "
            f"of {listed(part_names(), maximum=MAX_PARTS)}."
        )
    return f"`{command('configs')}` lists configs to start from."
