"""The tasks that a model file may name: nothing else is imported."""

from collections.abc import Mapping

from vision.errors import CheckpointError, suggest
from vision.kinds import TASKS
from vision.task_parts import resolve_part
from vision.tasks.base import BaseTask
from vision.version import __version__


def find_task(name: str, own: Mapping[str, type[BaseTask]] | None = None) -> type[BaseTask]:
    """Look up the class of a task by the name in a model file.

    Args:
        name: Name of the class.
        own: The caller's own classes by name, which take precedence.

    Raises:
        CheckpointError: The name is unknown.
    """
    if own and name in own:
        return own[name]
    if name not in TASKS:
        raise CheckpointError(
            f"it belongs to a task '{name}', which this version ({__version__}) does not have."
            f"{suggest(name, TASKS)} It knows {', '.join(TASKS)}; give a class of your own with "
            "vision.load(PATH, task=CLASS), or a tool with --task package.module:Class."
        )
    return resolve_part(TASKS[name])
