"""The plain values that a task stores in its checkpoints besides weights."""

import inspect
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from vision.contracts.models import ModelDescription
from vision.errors import CheckpointError, ConfigError
from vision.optim.attached import attached_trainer
from vision.optim.averages import WEIGHTS_KEY
from vision.tasks.build import InitialWeights
from vision.version import __version__
from vision.weights.description import check_description
from vision.wording import counted

logger = logging.getLogger(__name__)

# Lightning's key for the arguments of a task's constructor.
HYPER_PARAMETERS = "hyper_parameters"


def plain(value: Any) -> Any:
    """Convert a hyper-parameter to plain values that `torch.load(weights_only=True)` accepts.

    Args:
        value: Numbers, strings and None, in mappings, dataclasses and sequences of any depth; also
            paths.

    Returns:
        The same with dicts for mappings and dataclasses, lists for sequences and strings for paths.

    Raises:
        ConfigError: It holds something else.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    raise ConfigError(
        f"a hyper-parameter holds a {type(value).__name__}; only numbers, strings, lists and dicts "
        "of them can be saved and read back without running code."
    )


def inherited_options(task: type) -> set[str]:
    """Constructor parameters of a class's bases that its own constructor lacks.

    The class sets them itself: they are not hyper-parameters for rebuilding it.
    """
    own = inspect.signature(task).parameters
    bases = [base for base in task.__mro__ if "__init__" in vars(base)]
    return {name for base in bases for name in inspect.signature(base).parameters} - {*own}


def agree_on_classes(
    ours: Sequence[str] | None, theirs: Sequence[str], num_classes: int, origin: str
) -> list[str]:
    """Settle the class names of a task when data or a checkpoint bring theirs.

    Args:
        ours: Names that the task has, by class index; None if it has none yet.
        theirs: Names of the other, by class index.
        num_classes: Number of classes of the task.
        origin: Name of the other, for the message.

    Returns:
        The task's own names if it has any, otherwise the other's.

    Raises:
        ConfigError: The numbers differ, or the names are the same in another order, so that an
            index means another class. Other differences only give a warning: names may be spelt
            differently.
    """
    if len(theirs) != num_classes:
        shown = ", ".join(theirs[:5]) + (", ..." if len(theirs) > 5 else "")
        raise ConfigError(
            f"the task has num_classes={num_classes}, but {origin} has "
            f"{counted(len(theirs), 'classes')} ({shown}). Set "
            f"num_classes={len(theirs)} on the model, or choose other data."
        )
    names = list(ours or theirs)
    different = [i for i, (a, b) in enumerate(zip(names, theirs, strict=True)) if a != b]
    if different:
        i = different[0]
        message = (
            f"class {i} is '{names[i]}' for the task but '{theirs[i]}' for {origin} "
            f"({len(different)} of {len(names)} names differ)"
        )
        if sorted(names) == sorted(theirs):
            raise ConfigError(f"{message}: the same classes in another order. Use one order.")
        logger.warning("%s; the task keeps its own names.", message)
    return names


def agree_on_kind(kind: str | None, data: Any) -> None:
    """Raise a `ConfigError` if the samples of a datamodule are for another task.

    Args:
        kind: Name of the task; None accepts any samples.
        data: The datamodule; None, or one without a `kind`, is taken as it is.
    """
    theirs = getattr(data, "kind", None)
    if kind is not None and theirs is not None and theirs != kind:
        raise ConfigError(
            f"{type(data).__name__} is a dataset for {theirs}, but the task is {kind}. Choose "
            "another dataset (--data) or another task (--model)."
        )


def describe(task: Any, source: InitialWeights) -> ModelDescription:
    """Describe a task for readers of its checkpoint.

    Args:
        task: A module with a `backbone`.
        source: Source of the initial weights of its training.

    Returns:
        Plain values; fields that need images or classes are empty or None without them.
    """
    trainer = attached_trainer(task)
    data = getattr(trainer, "datamodule", None)
    return plain(
        {
            "version": __version__,
            "task": type(task).__name__,
            "kind": task.kind,
            "backbone": source.backbone or type(task.backbone).__name__,
            "hyper_parameters": built_from(task.hparams),
            "class_names": None,
            "input": {},
            "preprocessing": task.preprocessing,
            "palette": None,
            "data": None if data is None else f"{type(data).__module__}.{type(data).__name__}",
            "pretrained": source.pretrained,
            "weights": source.weights,
            "epoch": 0 if trainer is None else _whole_epochs(trainer),
            "step": 0 if trainer is None else trainer.global_step,
            "metrics": {} if trainer is None else _validation_numbers(trainer.callback_metrics),
            "averaged": False,
        }
    )


def _whole_epochs(trainer: Any) -> int:
    """Completed epochs; a checkpoint is written before Lightning increments its counter."""
    epochs = trainer.fit_loop.epoch_progress.current
    at_end = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch
    return epochs.started if at_end else epochs.processed


def built_from(hyper_parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor arguments for a task with weights from a file: no other weights are read."""
    return {**hyper_parameters, "pretrained": False, "weights": None}


def describe_checkpoint(checkpoint: Mapping[str, Any]) -> ModelDescription:
    """The description of a checkpoint's task, also for checkpoints of older versions.

    Raises:
        CheckpointError: It is not a checkpoint of a task of the suite, or its description holds
            what the suite does not write.
    """
    description = checkpoint.get("vision")
    arguments = checkpoint.get(HYPER_PARAMETERS)
    if not isinstance(description, Mapping) or not isinstance(arguments, Mapping):
        raise CheckpointError(
            "it does not say which task it belongs to: it was not written by a task of this suite."
        )
    before = {
        "hyper_parameters": dict(arguments),
        "class_names": checkpoint.get("class_names"),
        "epoch": checkpoint.get("epoch", 0),
        "step": checkpoint.get("global_step", 0),
    }
    return check_description({**before, **description, "averaged": WEIGHTS_KEY in checkpoint})


def _validation_numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers that a validation logged; a file of a model cannot hold other values."""
    values = {name: float(value) for name, value in metrics.items() if name.startswith("val/")}
    # Not those of each class, such as `val/f1/NAME`.
    values = {name: value for name, value in values.items() if name.count("/") == 1}
    return {name: value for name, value in values.items() if math.isfinite(value)}
