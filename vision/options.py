"""Groups of options as dataclasses, which configs and checkpoints hold as mappings."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from vision.errors import ConfigError, suggest

Options = TypeVar("Options")


def read_options(
    kind: type[Options], values: Options | Mapping[str, Any], *, group: str
) -> Options:
    """A group of options, from itself or from a mapping of some of them.

    Args:
        kind: The dataclass.
        values: An instance of it, or values by name.
        group: Name of the group, for the error.

    Raises:
        ConfigError: It is no mapping, a key is unknown, or a value is out of its range.
    """
    if isinstance(values, kind):
        return values
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(values, Mapping):
        raise ConfigError(f"{group}={values!r} must have the options {', '.join(known)}.")
    for key in values:
        if key not in known:
            raise ConfigError(
                f"there is no option {group}.{key}.{suggest(key, known)} The options are "
                f"{', '.join(known)}."
            )
    return kind(**values)
