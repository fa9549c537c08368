"""The program of each kind of task, written out; a new task adds its file and its line here."""

from typing import Any

from vision.errors import ConfigError
from vision.export.graph import Graph
from vision.lazy import lazy_names

GRAPHS = {
    "ClassificationGraph": "vision.export.classification",
    "DetectionGraph": "vision.export.detection",
    "SegmentationGraph": "vision.export.segmentation",
}
KINDS = {
    "classification": "ClassificationGraph",
    "detection": "DetectionGraph",
    "segmentation": "SegmentationGraph",
}
_resolve, _ = lazy_names(__name__, GRAPHS)


def whole_model(task: Any, *, logits: bool = False, input_dtype: str = "uint8") -> Graph:
    """A trained task with all that lies between an image and its result, as a program.

    Args:
        task: A task of the suite.
        logits: Classification: give logits beside the scores. Segmentation: in place of the
            classes.
        input_dtype: `"uint8"` or `"float32"`, of values 0..255.

    Returns:
        The program; it shares the parameters of the task.

    Raises:
        ConfigError: There is no program for this kind of task, or an option does not fit it.
    """
    if task.kind not in KINDS:
        raise ConfigError(
            f"a task of kind {task.kind!r} cannot be exported whole; these can: "
            f"{', '.join(KINDS)}. Export its backbone alone (--backbone)."
        )
    return _resolve(KINDS[task.kind])(task, logits=logits, input_dtype=input_dtype)
