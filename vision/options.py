"""Options: groups of them as dataclasses, their ranges, and errors of constructors."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from vision.errors import ConfigError, VisionError, shown, suggest

Options = TypeVar("Options")

# Larger values are mistakes, which would otherwise fill the memory.
MAX_SIDE = 2**15  # pixels of an image that a model gets
MAX_BATCH = 2**20
MAX_CLASSES = 10**6
MAX_PROCESSES = 1024
MAX_SEED = 2**32 - 1
MAX_COUNT = 2**31 - 1
MAX_WIDTH = 2**17  # channels, heads, tokens: any whole number of a network's design
MAX_DEPTH = 1000  # blocks of a stage
# Options of a network's design that are 1 at least.
POSITIVE = {
    *("channels", "out_channels", "fc_dim", "num_groups", "kernel_size", "scales_per_octave"),
    *("batch_size_per_image", "topk_candidates", "pre_nms_topk_train", "pre_nms_topk_test"),
    *("post_nms_topk_train", "post_nms_topk_test", "max_per_image"),
}

# What constructors raise for a value that they do not expect.
UNEXPECTED = (
    *(ValueError, TypeError, ArithmeticError, LookupError, AttributeError, AssertionError),
    *(RuntimeError, MemoryError, RecursionError),
)


def read_options(
    kind: type[Options], values: Options | Mapping[str, Any], *, group: str
) -> Options:
    """Build a group of options from an instance of it or a mapping of some of them.

    Args:
        kind: The dataclass.
        values: An instance of it, or values by name.
        group: Name of the group, for the error.

    Raises:
        ConfigError: It is not a mapping, a key is unknown, or a value is out of its range.
    """
    if isinstance(values, kind):
        _require_finite(values, group)
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
    with building(f"the group of options {group}", values):
        made = kind(**values)
    _require_finite(made, group)
    return made


def _require_finite(options: Any, group: str) -> None:
    for field in fields(options):
        value = getattr(options, field.name)
        for number in value if isinstance(value, list | tuple) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ConfigError(f"{group}.{field.name}={value} must be finite.")


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers that an option may have, never booleans, NaN or infinity.

    Attributes:
        minimum: The smallest.
        maximum: The largest.
        above: A bound that is not in the range itself, in place of `minimum`.
        below: The same in place of `maximum`.
        unit: What is counted, for messages.
        optional: Whether None is possible too.
        length: Number of numbers of a list, 0 for one or more; None for a single number.
        ascending: Whether a list has to be in ascending order.
    """

    minimum: float = -math.inf
    maximum: float = math.inf
    above: float = -math.inf
    below: float = math.inf
    unit: str = ""
    optional: bool = False
    length: int | None = None
    ascending: bool = False

    def holds(self, value: Any) -> bool:
        """Whether the option may have a value."""
        if value is None:
            return self.optional
        if self.length is None:
            return self._has(value)
        if not isinstance(value, Sequence) or len(value) != (self.length or max(1, len(value))):
            return False
        return all(map(self._has, value)) and (not self.ascending or [*value] == sorted(value))

    def _has(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        within = is_number and self.minimum <= value <= self.maximum
        return within and self.above < value < self.below

    def __str__(self) -> str:
        if self.minimum > -math.inf and self.maximum < math.inf:
            words = f"from {self.minimum:,} to {self.maximum:,}"
        else:
            bounds = {
                f"above {self.above:,}": self.above,
                f"{self.minimum:,} or more": self.minimum,
                f"below {self.below:,}": self.below,
                f"at most {self.maximum:,}": self.maximum,
            }
            words = " and ".join(text for text, bound in bounds.items() if math.isfinite(bound))
        words += f" {self.unit}" if self.unit else ""
        if self.length is not None:
            order = " in ascending order" if self.ascending else ""
            words = f"{self.length or 'one or more'} numbers{order}, each {words}"
        return f"{words}, or null" if self.optional else words


# By name, the range of an option, or its choices.
Ranges = Mapping[str, Range | tuple[Any, ...]]
PROBABILITY = Range(minimum=0, maximum=1)
IMAGE_SIDE = Range(minimum=1, maximum=MAX_SIDE, unit="pixels")


def check_ranges(values: Mapping[str, Any], ranges: Ranges, *, group: str = "") -> None:
    """Check that options are in their ranges.

    Args:
        values: Values by name; those without a range are not checked.
        ranges: The ranges or choices.
        group: Name of the group of options, for the message.

    Raises:
        ConfigError: A value is not in its range, or not one of its choices.
    """
    for name, range_ in ranges.items():
        value, key = values[name], f"{group}.{name}" if group else name
        if isinstance(range_, tuple):
            if value not in range_:
                choices = " or ".join(map(repr, range_))
                raise ConfigError(
                    f"{key}={shown(value)} must be {choices}.{suggest(str(value), range_)}"
                )
        elif not range_.holds(value):
            raise ConfigError(f"{key}={shown(value)} must be {range_}.")


def check_number(
    name: str,
    value: Any,
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    unit: str = "",
) -> None:
    """Check that one option is a number in its range.

    Args:
        name: Name of the option.
        value: Its value.
        minimum: As in `Range`, and so are the others.
        maximum: The largest value.
        above: A bound that is not in the range itself.
        below: The same, in place of `maximum`.
        unit: What it counts, for the message.

    Raises:
        ConfigError: It is not.
    """
    bounds = Range(minimum=minimum, maximum=maximum, above=above, below=below, unit=unit)
    check_ranges({name: value}, {name: bounds})


def check_design(options: Mapping[str, Any], *, owner: str) -> None:
    """Check that the numbers in a network's options have a possible size.

    Args:
        options: By name; lists and mappings are looked into.
        owner: The network that they belong to, for the message.

    Raises:
        ConfigError: One is not a number, is larger than any network needs, or is zero or negative
            where a network needs at least one.
    """
    for key, value in options.items():
        if isinstance(value, Mapping):
            check_design(value, owner=f"{owner}.{key}")
            continue
        maximum = MAX_DEPTH if key.startswith(("depth", "num_convs")) else MAX_WIDTH
        minimum = 1 if key in POSITIVE else -maximum
        for number in _numbers(value):
            if not minimum <= number <= maximum:
                bounds = (
                    f"from {minimum} to {maximum:,}" if key in POSITIVE else f"of up to {maximum:,}"
                )
                raise ConfigError(
                    f"{owner}: {key}={shown(value)} has {shown(number)}; numbers {bounds} are "
                    "possible."
                )


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, int | float):
        yield value


@contextmanager
def building(what: str, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Turn what a constructor raises for its values into a message.

    Args:
        what: What is built.
        options: The options that a user has given for it.

    Raises:
        ConfigError: It cannot be built; the message has the constructor's own reason.
    """
    try:
        yield
    except VisionError:
        raise
    except UNEXPECTED as error:
        reason = str(error).strip().partition("\n")[0][:300] or type(error).__name__
        given = "" if not options else f" with {shown(dict(options), 400)}"
        raise ConfigError(f"{what} cannot be built{given}: {reason}.") from error
