"""Look up rows of tables by name, and build their parts with the row's and the given options."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from vision.contracts.features import FeatureSpec, VolumeSpec
from vision.errors import ConfigError, shown, suggest
from vision.options import building, check_design
from vision.tasks.fitting import find_misfit, hints_of, literals, shown_hint

Row = TypeVar("Row")


def find_row(rows: Mapping[str, Row], name: str, *, option: str) -> Row:
    """Look up a row by name.

    Args:
        rows: The rows by name.
        name: The requested name.
        option: Name of the option, for the error.

    Raises:
        ConfigError: The name is unknown.
    """
    if name not in rows:
        raise ConfigError(
            f"{option}={name!r} is not one of {', '.join(rows)}.{suggest(name, rows)}"
        )
    return rows[name]


def build_part(
    build: Callable[..., Any],
    specs: Sequence[FeatureSpec | VolumeSpec] | None,
    group: str,
    own: Mapping[str, Any],
    given: Mapping[str, Any],
) -> Any:
    """Build a part; nested options, such as `rpn`, are merged key by key.

    Args:
        build: A class or a function with keyword arguments.
        specs: Specs of the input maps, the part's first argument; None for a part without.
        group: Name of the given options, for the error.
        own: Options of the row.
        given: Options that replace them.

    Raises:
        ConfigError: An option is unknown, does not fit its annotation, or is out of range.
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
        if name in hints and (misfit := find_misfit(f"{group}.{name}", value, hints[name])):
            option, wrong, hint = misfit
            near = suggest(str(wrong), [str(one) for one in literals(hint)])
            raise ConfigError(f"{option}={shown(wrong)} is no value of {shown_hint(hint)}.{near}")
    if not takes_any:
        check_design({k: v for k, v in given.items() if k != "num_classes"}, owner=group)
    options = dict(own)
    for name, value in given.items():
        before = options.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        options[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    with building(group, given):
        return build(**options) if specs is None else build(specs, **options)
