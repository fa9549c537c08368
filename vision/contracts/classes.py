"""Names of classes: tasks and datasets that have any offer `class_names`, others do not."""

from typing import Any


def known_classes(task: Any, data: Any = None) -> tuple[str, ...]:
    """Name of each class of a task, by index: its own, those of its data, or its number.

    Args:
        task: The task.
        data: Its datamodule; None where there is none.

    Returns:
        Empty where neither has classes.
    """
    names = getattr(task, "class_names", None) or getattr(data, "class_names", None)
    return tuple(names or map(str, range(getattr(task, "num_classes", 0))))
