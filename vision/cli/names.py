"""Short names of the classes that a config can choose, written out."""

import importlib
import inspect
from collections.abc import Sequence

from vision.cli.settings import Setting
from vision.data import DATASETS
from vision.errors import ConfigError, suggest
from vision.kinds import TASKS

# Group of options -> short name -> import path. The first is what messages show as an example.
CLASSES: dict[str, dict[str, str]] = {
    "model": {name: f"vision.tasks.{name}" for name in TASKS},
    "data": {name: f"vision.data.{name}" for name in DATASETS},
}
BASES = {"model": "vision.tasks.BaseTask", "data": "vision.data.DataModule"}
WHAT = {"model": "task", "data": "dataset"}
CONFIG_SUFFIXES = (".yaml", ".yml", ".json")


def chosen_classes(settings: Sequence[Setting]) -> dict[str, type]:
    """Import the classes that the settings choose, so that their short names are known.

    Args:
        settings: Everything that the user has set; later ones win.

    Returns:
        The class of `"model"` and of `"data"`, as far as they are chosen.

    Raises:
        ConfigError: A name is unknown, or is no class of its group.
    """
    return {
        group: find_class(group, setting.value, source=setting.source)
        for group, setting in chosen_names(settings).items()
    }


def chosen_names(settings: Sequence[Setting]) -> dict[str, Setting]:
    """The settings that choose the task and the dataset by name; nothing is imported.

    Args:
        settings: Everything that the user has set; later ones win.
    """
    chosen: dict[str, Setting] = {}
    for setting in settings:
        group, _, rest = setting.key.partition(".")
        if group in CLASSES and rest in ("", "class_path") and isinstance(setting.value, str):
            chosen[group] = setting
    return {
        group: setting
        for group, setting in chosen.items()
        if not setting.value.endswith(CONFIG_SUFFIXES)
    }


def check_class_name(group: str, name: str, *, source: str) -> None:
    """Check a short name of a task or dataset; an import path may be anything.

    Args:
        group: `"model"` or `"data"`.
        name: The name, or the import path of a class.
        source: Where it was given, for the error.

    Raises:
        ConfigError: There is no such name.
    """
    names = CLASSES[group]
    if "." not in name and name not in names:
        raise ConfigError(
            f"there is no {WHAT[group]} '{name}' ({source}).{suggest(name, names)}\n"
            f"{group} is one of {', '.join(names)}, or the import path of a class of your own."
        )


def find_class(group: str, name: str, *, source: str) -> type:
    """Import a task or a dataset.

    Args:
        group: `"model"` or `"data"`.
        name: A short name, or the import path of a class of your own.
        source: Where the name was given, for the error.

    Raises:
        ConfigError: There is no such class, or it is not a task or dataset.
    """
    check_class_name(group, name, source=source)
    names = CLASSES[group]
    path = names.get(name, name)
    try:
        found = import_path(path)
    except (ImportError, AttributeError) as error:
        leaf = path.rpartition(".")[2]
        near = suggest(path, names.values()) or suggest(leaf, names)
        raise ConfigError(
            f"{group}: '{path}' cannot be imported ({source}): {error}.{near}"
        ) from error
    base = import_path(BASES[group])
    if not inspect.isclass(found) or not issubclass(found, base):
        raise ConfigError(
            f"{group}: '{path}' is not a {WHAT[group]} ({source}): it must be a subclass of "
            f"{BASES[group]}."
        )
    return found


def import_path(path: str) -> type:
    """The object of an import path such as `"vision.data.Digits"`."""
    module, _, attribute = path.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def first_line(cls: type) -> str:
    """The first line of a class's own documentation; empty if it has none."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
