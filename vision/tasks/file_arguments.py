"""Check the constructor arguments of a task from a model file, which may be untrusted.

A value from a file must fit the annotation of its parameter. Text therefore reaches a constructor
only if the annotation lists the choices; names of backbones, detectors and segmentors are looked up
in their tables.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from vision.backbones.registry import backbone_class
from vision.errors import ConfigError, shown, suggest
from vision.task_parts import find_part, read_column
from vision.tasks.fitting import fits, hints_of, leaves, shown_hint
from vision.tasks.parts import find_row

# Upper bound of any width, size or number of parts of a model.
MAX_NUMBER = 2**16
# The model file has all weights: nothing else is read. Names of classes and modalities are taken
# over by the built task, which checks them.
SOURCES = ("pretrained", "weights", "class_names", "modalities")
# Arguments that only training needs.
TRAINING = (
    *(
        "optim",
        "mix",
        "loss",
        "loss_options",
        "per_class_metrics",
        "label_smoothing",
        "drop_rate",
        "head_init_scale",
    ),
    *("ema_decay", "ema_warmup", "frozen_stages", "frozen_norms", "compile"),
    *("memory", "boundary"),
)
# Steps of a schedule have no bound; the tensors in the file bound the number of classes.
UNLIMITED = (*TRAINING, "num_classes")


def file_arguments(
    task: type[nn.Module], given: Mapping[str, Any], *, training: bool = False
) -> dict[str, Any]:
    """Constructor arguments that build a task as a file describes it, and read nothing else.

    Args:
        task: Class of the task.
        given: The hyper-parameters in the file, plain values.
        training: Whether to keep arguments that only training needs. Losses of mmsegmentation are
            always left out.

    Returns:
        Keyword arguments of the constructor.

    Raises:
        ConfigError: An argument is unknown, or does not fit its parameter.
    """
    left_out = SOURCES if training else (*SOURCES, *TRAINING)
    given = _in_present_words(task, given)
    arguments = {key: value for key, value in given.items() if key not in left_out}
    tables = _tables(task)
    groups = _groups(task, arguments, tables)
    hints = _hints(task)
    checked = hints.keys() - _parameters_of_the_caller(task)
    for name, value in arguments.items():
        if name in groups:
            arguments[name] = groups[name](value, name)
        elif name not in tables and (name in checked or name not in hints):
            _check(hints, name, value, "", limit=math.inf if name in UNLIMITED else MAX_NUMBER)
    return arguments


def _in_present_words(task: type[nn.Module], given: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters of a file, where files of earlier versions have others."""
    present = dict(given)
    if "grad_checkpointing" in present and "grad_checkpointing" not in _hints(task):
        recomputed = present.pop("grad_checkpointing")
        present.setdefault("memory", "checkpoint" if recomputed else "fast")
    return present


def _parameters_of_the_caller(task: type[nn.Module]) -> set[str]:
    """Parameters that only a class of the caller has, and no class of the suite; not checked."""
    ours = [base for base in task.__mro__ if base.__module__.startswith("vision.")]
    known = {name for base in ours for name in inspect.signature(base).parameters}
    return {*inspect.signature(task).parameters} - known


def _groups(
    task: type[nn.Module],
    arguments: Mapping[str, Any],
    tables: Mapping[str, Callable[[Any, str], None]],
) -> dict[str, Callable[[Any, str], Any]]:
    """The check of each group of options, by name of the group."""
    chosen = {
        name: arguments.get(name, parameter.default)
        for name, parameter in inspect.signature(task).parameters.items()
        if name in tables
    }
    for name, value in chosen.items():
        tables[name](value, name)
    builders: dict[str, Callable[..., Any]] = {}
    if isinstance(chosen.get("backbone"), str):
        builders["backbone_options"] = backbone_class(chosen["backbone"])
    design = read_column(task, "design")
    if design in chosen:
        builders |= find_part(task, "designs")[chosen[design]].builders
    return {
        group: partial(_own_options, builder)
        if hasattr(builder, "options_of_file")
        else _options_of(builder)
        for group, builder in builders.items()
    }


def _options_of(builder: Callable[..., Any]) -> Callable[[Any, str], Any]:
    hints = _hints(builder)

    def check(options: Any, group: str) -> Any:
        if options is None:
            return None
        if not isinstance(options, Mapping):
            raise ConfigError(f"{group} is a {type(options).__name__}, expected options by name.")
        for name, value in options.items():
            _check(hints, name, value, f"{group}.")
        return options

    return check


def _own_options(builder: Any, options: Any, group: str) -> dict[str, Any]:
    """The options of a builder that checks them by rules of its own, and their numbers."""
    checked: dict[str, Any] = builder.options_of_file(options, group)
    if not _in_range(checked, MAX_NUMBER):
        raise ConfigError(f"{group} has a number beyond {MAX_NUMBER:,}.")
    return checked


def _check(
    hints: Mapping[str, Any], name: str, value: Any, within: str, limit: float = MAX_NUMBER
) -> None:
    if name not in hints:
        raise ConfigError(
            f"there is no option {within}{name[:80]}.{suggest(name[:80], hints)} The options are "
            f"{', '.join(hints)}."
        )
    if not fits(value, hints[name]) or not _in_range(value, limit):
        raise ConfigError(
            f"{within}{name}={shown(value)} is no value of {shown_hint(hints[name])}, or "
            f"has a number beyond {limit:,}."
        )


def _in_range(value: Any, limit: float) -> bool:
    numbers = [leaf for leaf in leaves(value) if isinstance(leaf, int | float)]
    return all(math.isfinite(number) and abs(number) <= limit for number in numbers)


def _hints(builder: Callable[..., Any]) -> dict[str, Any]:
    """Annotation of each parameter that a file may give."""
    left_out = ("specs", "name", *SOURCES)
    return {name: hint for name, hint in hints_of(builder).items() if name not in left_out}


def _check_backbone(name: Any, option: str) -> None:
    if name is None:
        return
    if not isinstance(name, str):
        raise ConfigError(f"{option} is a {type(name).__name__}, expected the name of one.")
    backbone_class(name)


def _check_row(rows: Mapping[str, Any]) -> Callable[[Any, str], None]:
    def check(name: Any, option: str) -> None:
        if not isinstance(name, str):
            raise ConfigError(f"{option} is a {type(name).__name__}, expected a name.")
        find_row(rows, name, option=option)

    return check


def _tables(task: type[nn.Module]) -> dict[str, Callable[[Any, str], None]]:
    """The check of each argument that names a row of a table."""
    tables: dict[str, Callable[[Any, str], None]] = {"backbone": _check_backbone}
    if (design := read_column(task, "design")) is not None:
        tables[design] = _check_row(find_part(task, "designs"))
    return tables
