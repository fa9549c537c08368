"""The parts of a task, from a column of its class or of its row in `vision.kinds`."""

import importlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vision.errors import ConfigError, suggest
from vision.kinds import KINDS, Kind
from vision.program import with_commands

_COLUMNS = {column.name: column for column in fields(Kind)}


def read_column(task: object, column: str, *, reads: str | None = None) -> Any:
    """The value of a column as it is written, which may be an import path.

    Args:
        task: A task, its class, or the name of a kind. A class attribute of the name of the column
            comes before the row of the class's `kind`.
        column: Name of a field of `Kind`.
        reads: What the task reads, for a class or a kind whose tasks read different inputs; a task
            says it by its attribute of that name. None is the kind's usual input.

    Returns:
        The default of the column where none has a value.
    """
    cls = task if isinstance(task, type | str) else type(task)
    own = None if isinstance(cls, str) else getattr(cls, column, None)
    if own is not None:
        return own
    row = KINDS.get(cls if isinstance(cls, str) else str(getattr(cls, "kind", None)))
    if row is None:
        return _COLUMNS[column].default
    of_input = row.by_input.get(reads or str(getattr(task, "reads", None)), {})
    return of_input[column] if column in of_input else getattr(row, column)


def has_part(task: object, column: str, *, reads: str | None = None) -> bool:
    """Whether a task has a part; nothing is imported. Arguments as in `read_column`."""
    return read_column(task, column, reads=reads) is not None


def find_part(task: object, column: str) -> Any:
    """The object of a column.

    Args:
        task: As in `read_column`.
        column: Name of a field of `Kind` that holds an import path.

    Raises:
        ConfigError: The task has none, or what its class names cannot be imported.
    """
    value = read_column(task, column)
    if value is None:
        raise _absent(task, column)
    return resolve_part(value)


def find_parts(task: object, column: str) -> list[Any]:
    """The objects of a column that holds any number of import paths.

    Raises:
        ConfigError: What the class of the task names cannot be imported.
    """
    values = read_column(task, column)
    return [resolve_part(value) for value in ([values] if isinstance(values, str) else values)]


def resolve_part(value: Any) -> Any:
    """The object of an import path such as `"package.module:Class"`; an object is itself.

    Raises:
        ConfigError: The path has another form, or cannot be imported.
    """
    if not isinstance(value, str):
        return value
    module, colon, attribute = value.partition(":")
    if not (module and colon and attribute):
        raise ConfigError(f"'{value}' is not an import path; write it as package.module:Class.")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"'{value}' cannot be imported: {error}. Write it as package.module:Class, and check "
            "that Python finds the package (PYTHONPATH)."
        ) from error


def kind_name(task: object) -> str:
    """The name of a task's kind; without a kind, its class's name in lower case."""
    if isinstance(task, str):
        return task
    cls = task if isinstance(task, type) else type(task)
    return getattr(cls, "kind", None) or cls.__name__.lower()


def kinds_with(column: str) -> list[str]:
    """Names of the kinds that have a column."""
    return [name for name, row in KINDS.items() if getattr(row, column) is not None]


def _absent(task: object, column: str) -> ConfigError:
    name, known = kind_name(task), kinds_with(column)
    about = _COLUMNS[column].metadata
    of = ""
    if name in known:  # only not for this input
        known.remove(name)
        of = f" of {getattr(task, 'reads', 'this input')}"
    others = " ".join(
        [
            f"there is no {about['noun']} for '{name}'{of}.{suggest(name, known)}",
            f"There is one for {_listed(known)}.",
            *([] if isinstance(task, str) else [f"A task gets one by its class attribute {column}"
              " = 'package.module:NAME'."]),
            with_commands(about["instead"]),
        ]
    )  # fmt: skip
    return ConfigError(others.rstrip())


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
