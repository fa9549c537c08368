"""The export graph of a whole trained model, by its kind of task."""

from typing import Any

from vision.export.graph import Graph
from vision.task_parts import find_part


def whole_model(task: Any, *, logits: bool = False, input_dtype: str | None = None) -> Graph:
    """Build the export graph of a trained task, from image or volume to result.

    Args:
        task: A task.
        logits: Whether to output logits: beside the scores in classification, instead of the
            classes in segmentation.
        input_dtype: `"uint8"` or `"float32"`; values of images are 0..255 in both. None takes the
            default of the kind.

    Returns:
        The graph; it shares the parameters of the task.

    Raises:
        ConfigError: The task has no graph, or an option does not fit it.
    """
    given = {} if input_dtype is None else {"input_dtype": input_dtype}
    graph: Graph = find_part(task, "export_graph")(task, logits=logits, **given)
    return graph
