"""Names of classes: tasks and datasets that have names offer `class_names`."""

from typing import Any


def known_classes(task: Any, data: Any = None) -> tuple[str, ...]:
    """Name of each class of a task, by index: the task's, the dataset's, or its number.

    Args:
        task: The task.
        data: Its datamodule; None where there is none.

    Returns:
        Empty where neither has classes.
    """
    names = getattr(task, "class_names", None) or getattr(data, "class_names", None)
    return tuple(names or map(str, range(getattr(task, "num_classes", 0))))
