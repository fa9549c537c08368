"""The tasks that a file of a trained model may name, written out: nothing else is ever imported."""

from collections.abc import Mapping

from vision.errors import CheckpointError, suggest
from vision.kinds import TASKS
from vision.task_parts import resolve_part
from vision.tasks.base import BaseTask
from vision.version import __version__


def find_task(name: str, own: Mapping[str, type[BaseTask]] | None = None) -> type[BaseTask]:
    """The class of a task by the name that a file of a model gives.

    Args:
        name: Name of the class.
        own: Classes of the caller's own by name, which come first.

    Raises:
        CheckpointError: There is none.
    """
    if own and name in own:
        return own[name]
    if name not in TASKS:
        raise CheckpointError(
            f"it is of a task '{name}', which this version ({__version__}) does not have."
            f"{suggest(name, TASKS)} It knows {', '.join(TASKS)}; give a class of your own with "
            "vision.load(PATH, task=CLASS), or a tool with --task package.module:Class."
        )
    return resolve_part(TASKS[name])
