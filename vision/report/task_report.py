"""What a kind of task adds to the report of an evaluation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vision.callbacks.results.evaluation_records import Record
from vision.report.page import Html
from vision.report.parts import EvaluatedData, Json

FRACTIONS = "Metrics are fractions between 0 and 1; a dash means that there is no ground truth."


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """The part of a report that depends on the kind of task.

    Attributes:
        headline: Names of the metrics at the top of the page, without the stage.
        class_metrics: Per-class metrics that are compared with another report; the first one
            sorts.
        analyse: Computes the numbers of the report from an evaluation and its images. `classes` has
            a row with `name` for each class, and `images` one with `place`, `name` and its numbers
            for each image; both may be empty.
        sections: Makes the sections of the page that show these numbers.
        units: A line about the values of the metrics.
        changes: Shows the images that changed most since another evaluation, whose rows of images
            are given by name.
    """

    headline: tuple[str, ...]
    class_metrics: tuple[str, ...]
    analyse: Callable[[Record, EvaluatedData], Json]
    sections: Callable[[Json, Record, EvaluatedData], list[Html]]
    changes: Callable[[Record, EvaluatedData, Mapping[str, Mapping[str, str]]], list[Html]]
    units: str = FRACTIONS
