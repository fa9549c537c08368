"""Build the parts that a row names, with options of its own and those that are given."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vision.contracts import FeatureSpec
from vision.errors import ConfigError, suggest


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
        ConfigError: An option is unknown or out of its range.
    """
    parameters = inspect.signature(build).parameters
    known = [name for name in parameters if name != "specs"]
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in given:
        if name not in known and not takes_any:
            raise ConfigError(
                f"there is no option {group}.{name}.{suggest(name, known)} The options are "
                f"{', '.join(known)}."
            )
    options = dict(own)
    for name, value in given.items():
        before = options.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        options[name] = {**before, **value} if both else value  # type: ignore[dict-item]
    return build(**options) if specs is None else build(specs, **options)
