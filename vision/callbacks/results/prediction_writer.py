"""Base class of callbacks that write the output of `predict`: one file or one folder."""

from typing import ClassVar

from vision.callbacks.results.evaluated import EvaluatedBatches


class PredictionWriter(EvaluatedBatches):
    """A callback that is constructed with its output path.

    Attributes:
        default_name: Name of the file or folder in the folder of a run.
        writes_folder: Whether it writes a folder.
    """

    default_name: ClassVar[str]
    writes_folder: ClassVar[bool] = False
