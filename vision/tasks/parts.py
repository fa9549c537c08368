"""Find the row of a name, and build the parts that it names, with its options and those given."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError, shown, suggest
from vision.options import building, check_design
from vision.tasks.fitting import fits, hints_of, shown_hint

Row = TypeVar("Row")


def find_row(rows: Mapping[str, Row], name: str, *, option: str) -> Row:
    """The row of a name.

    Args:
        rows: The rows by name.
        name: What was asked for.
        option: Name of the option that asks for it, for the error.

    Raises:
        ConfigError: There is none.
    """
    if name not in rows:
        raise ConfigError(f"{option}={name!r} is none of {', '.join(rows)}.{suggest(name, rows)}")
    return rows[name]


def build_part(
    build: Callable[..., Any],
    specs: Sequence[FeatureSpec] | None,
    group: str,
    own: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Any:
    """Call what builds a part; options within an option, as of `rpn`, replace one by one.

    Args:
        build: A class or a function of keywords.
        specs: The maps that the part gets, its first argument; None for a part without.
        group: Name of the given options, for the error.
        own: Options of the row.
        given: Options that replace them.

    Raises:
        ConfigError: An option is unknown, of another type than its annotation, or out of its range.
    """
    hints = hints_of(build)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(build).parameters.values())
    for name, value in given.items():
        if name not in hints and not takes_any:
            known = [known for known in hints if known != "specs"]
            raise ConfigError(
                f"there is no option {group}.{name}.{suggest(name, known)} The options are "
                f"{', '.join(known)}."
            )
        if name in hints and not fits(value, hints[name], text=True):
            raise ConfigError(
                f"{group}.{name}={shown(value)} is no value of {shown_hint(hints[name])}."
            )
    if not takes_any:
        check_design({k: v for k, v in given.items() if k != "num_classes"}, owner=group)
    options = dict(own)
    for name, value in given.items():
        before = options.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        options[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    with building(group, given):
        return build(**options) if specs is None else build(specs, **options)
