"""The base of what `predict` writes: one file or one folder, by the kind of task."""

from typing import ClassVar

from vision.callbacks.results.evaluated import EvaluatedBatches


class PredictionWriter(EvaluatedBatches):
    """A callback that is built with the path that it writes.

    Attributes:
        default_name: Name of the file or folder in the folder of a run.
        writes_folder: Whether it writes a folder.
    """

    default_name: ClassVar[str]
    writes_folder: ClassVar[bool] = False
