"""A whole trained model as a program, by the graph of its kind of task."""

from typing import Any

from vision.export.graph import Graph
from vision.task_parts import find_part


def whole_model(task: Any, *, logits: bool = False, input_dtype: str = "uint8") -> Graph:
    """A trained task with all that lies between an image and its result, as a program.

    Args:
        task: A task.
        logits: Classification: give logits beside the scores. Segmentation: in place of the
            classes.
        input_dtype: `"uint8"` or `"float32"`, of values 0..255.

    Returns:
        The program; it shares the parameters of the task.

    Raises:
        ConfigError: The task has no graph, or an option does not fit it.
    """
    return find_part(task, "export_graph")(task, logits=logits, input_dtype=input_dtype)
