"""Check values against the type annotations of constructor parameters."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

SCALARS = (bool, int, float, NoneType)
MAX_SHOWN = 200


def hints_of(builder: Callable[..., Any]) -> dict[str, Any]:
    """Annotation of each named parameter; `Any` if it has none."""
    parameters = inspect.signature(builder, eval_str=True).parameters.values()
    return {
        p.name: Any if p.annotation is p.empty else p.annotation
        for p in parameters
        if p.kind is not p.VAR_KEYWORD
    }


def shown_hint(hint: Any) -> str:
    """An annotation as text for messages."""
    text = inspect.formatannotation(hint)
    return text.replace("collections.abc.", "").replace("typing.", "")[:MAX_SHOWN]


def fits(value: Any, hint: Any, *, text: bool = False) -> bool:
    """Whether a value fits an annotation.

    Args:
        value: Numbers, text, booleans and None in lists and mappings.
        hint: The annotation. A dataclass stands for a mapping of some of its fields, also beside
            `Mapping`.
        text: Whether `str` accepts any text, `Any` anything, and a class its objects. Otherwise the
            value is untrusted: text must be listed by a `Literal`.
    """

    def each(values: Sequence[Any], hints: Sequence[Any]) -> bool:
        return all(fits(*pair, text=text) for pair in zip(values, hints, strict=True))

    origin, within = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        groups = [one for one in within if is_dataclass(one)] if isinstance(value, Mapping) else []
        return any(fits(value, one, text=text) for one in groups or within)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in within)
    if is_dataclass(hint) and isinstance(value, Mapping):
        known, names = get_type_hints(hint), {field.name for field in fields(hint)}
        own = {key: item for key, item in value.items() if key in names}
        # For a person's options, the caller reports the unknown key.
        return (text or len(own) == len(value)) and each([*own.values()], [known[k] for k in own])
    if origin is tuple and Ellipsis not in within:
        is_list = isinstance(value, list | tuple)
        return is_list and len(value) == len(within) and each(value, within)
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return isinstance(value, list | tuple) and each(value, within[:1] * len(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and each([*value.values()], within[1:] * len(value))
    if hint is Any:
        return text or not any(isinstance(leaf, str) for leaf in leaves(value))
    if hint in SCALARS:
        return _is_scalar(value, hint)
    return text and isinstance(hint, type) and isinstance(value, hint)


def find_misfit(name: str, value: Any, hint: Any) -> tuple[str, Any, Any] | None:
    """The value that does not fit its annotation, within options too.

    Args:
        name: Name of the option.
        value: Its value, of a person's options.
        hint: The annotation; a dataclass stands for a mapping of some of its fields.

    Returns:
        Name, value and annotation of the option, or of the first one within it; None if all fit.
    """
    if fits(value, hint, text=True):
        return None
    group = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
    if isinstance(value, Mapping) and group is not None:
        known = get_type_hints(group)
        for key in [key for key in value if key in known]:
            if found := find_misfit(f"{name}.{key}", value[key], known[key]):
                return found
    return name, value, hint


def literals(hint: Any) -> tuple[Any, ...]:
    """The values of a `Literal`, alone or among others; none for other annotations."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    within = get_args(hint) if get_origin(hint) in (Union, UnionType) else ()
    return tuple(value for one in within for value in literals(one))


def leaves(value: Any) -> list[Any]:
    """The values in lists and mappings of any depth."""
    if isinstance(value, Mapping):
        value = [*value.values()]
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def _is_scalar(value: Any, hint: Any) -> bool:
    if value is None or isinstance(value, bool):
        return hint is type(value)
    return isinstance(value, int if hint is int else int | float) and hint in (int, float)
