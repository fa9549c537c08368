"""Whether a value can be one of an option's plain type, judged without the parser."""

from contextlib import suppress
from typing import Any

import yaml

from vision.cli.option_table import Option


def is_possible(value: Any, option: Option) -> bool:
    """Whether an option may accept a value; the parser has the last word.

    Args:
        value: A text of the command line, or a value of a config.
        option: The option; one whose type is not plain may accept anything.
    """
    if not option.is_plain or "str" in option.accepts or value is None:
        return True
    if isinstance(value, list | dict):
        return False
    read = _read(value) if isinstance(value, str) else value
    texts = {str(one) for one in (value, read)}
    if texts & {str(one) for one in option.literals} or read is None:
        return True
    return any(_fits(read, kind) for kind in option.accepts)


def _fits(read: Any, kind: str) -> bool:
    if kind == "true or false":
        return isinstance(read, bool)
    if isinstance(read, bool):
        return False
    if kind == "int":
        return isinstance(read, int) or (isinstance(read, float) and read.is_integer())
    return kind == "float" and isinstance(read, int | float)


def _read(text: str) -> Any:
    """A text as YAML reads it; numbers such as 1e-4 too, which YAML 1.1 takes for texts."""
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
