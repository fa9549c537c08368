"""Build a task as a file describes it: nothing that the file names is read or run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from vision.errors import CheckpointError, VisionError, WeightsError
from vision.tasks.checkpoint import describe_checkpoint
from vision.tasks.dry_build import dry_build
from vision.tasks.file_arguments import file_arguments
from vision.weights.checkpoint_file import read_checkpoint
from vision.weights.tensors import check_finite, check_tensors

Task = TypeVar("Task", bound=nn.Module)


def checked_arguments(
    task: type[nn.Module],
    given: Mapping[str, Any],
    state: Mapping[str, Tensor],
    *,
    version: str,
    own: Mapping[str, Any] | None = None,
    training: bool = False,
) -> dict[str, Any]:
    """Constructor arguments of a class for the task whose tensors are in a file.

    Args:
        task: Class of the task.
        given: The hyper-parameters in the file, plain values.
        state: The tensors of the task in the file, which bound what is built.
        version: Version of the suite that wrote the file, for errors.
        own: Arguments of the caller, which replace the file's.
        training: As in `file_arguments`.

    Raises:
        CheckpointError: The hyper-parameters do not fit the class, need more than the tensors
            can fill, or describe a task with other tensors.
    """
    own = own or {}
    kept = {key: value for key, value in given.items() if key not in own}
    try:
        _check_class_count(kept.get("num_classes"), state)
        arguments = {**file_arguments(task, kept, training=training), **own}
        if task.__module__.startswith("vision."):
            dry_build(lambda: task(**arguments), state)
    except CheckpointError:
        raise
    # Constructors, also of other libraries, raise any exception for such values.
    except Exception as error:
        kind = "" if isinstance(error, VisionError) else f"{type(error).__name__}: "
        raise CheckpointError(
            f"a {task.__name__} cannot be built from it, which version {version} wrote: "
            + "\n".join(f"{kind}{error}".splitlines()[:3])
        ) from error
    return arguments


def rebuild(
    task: type[Task], path: Path, own: Mapping[str, Any], *, map_location: Any, strict: bool
) -> Task:
    """Rebuild the task of a checkpoint for training: see `BaseTask.load_from_checkpoint`.

    Args:
        task: Class of the task.
        path: The file.
        own: Arguments that replace the file's.
        map_location: As in `torch.load`.
        strict: Whether the tensors must match the task exactly.
    """
    checkpoint = read_checkpoint(path, map_location=map_location)
    try:
        described = describe_checkpoint(checkpoint)
        tensors = check_tensors(checkpoint.get("state_dict"), "the checkpoint")
        arguments = checked_arguments(
            task,
            described["hyper_parameters"],
            tensors,
            version=described["version"],
            own=own,
            training=True,
        )
        built: Any = task(**arguments)
        built.on_load_checkpoint(checkpoint)
        built.load_state_dict(checkpoint["state_dict"], strict=strict)
        check_finite(built.state_dict(), "the checkpoint")
    except (CheckpointError, WeightsError) as error:
        raise type(error)(f"'{path}': {error}") from error
    return built.to(next(iter(tensors.values())).device) if tensors else built


def _check_class_count(count: Any, state: Mapping[str, Tensor]) -> None:
    rows = max((len(tensor) for tensor in state.values() if tensor.ndim), default=0)
    if isinstance(count, int) and count > rows:
        raise CheckpointError(
            f"it describes {count:,} classes, but the longest tensor in it has {rows:,} rows. The "
            "file is damaged, or was not written by this suite: use another copy of it."
        )
