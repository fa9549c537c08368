"""Groups of options of a task: dataclasses, which a checkpoint holds as mappings."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from vision.errors import ConfigError, suggest

Options = TypeVar("Options")


def read_options(
    kind: type[Options], values: Options | Mapping[str, Any], *, group: str
) -> Options:
    """A group of options, from itself or from a mapping such as a checkpoint has.

    Args:
        kind: The dataclass.
        values: An instance of it, or values by name.
        group: Name of the group, for the error.

    Raises:
        ConfigError: A key is unknown, or a value is out of its range.
    """
    if isinstance(values, kind):
        return values
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    assert isinstance(values, Mapping)
    for key in values:
        if key not in known:
            raise ConfigError(f"there is no option {group}.{key}.{suggest(key, known)}")
    return kind(**values)
