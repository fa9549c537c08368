"""Base class of the metrics of exported models, one subclass per kind of task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vision.metrics.directions import Direction

Outputs = Mapping[str, Tensor]


class Score(ABC):
    """The metric of a task.

    Attributes:
        metric: Its name, as the task logs it.
        better: Whether higher or lower values are better.
        unit: Its unit; empty for a fraction in [0, 1].
        max_drop: How much worse an int8 model may be, if the caller does not say.
        images: Number of images added.
    """

    metric: str
    better: Direction = "higher"
    unit: str = ""
    max_drop: float = 0.02

    def __init__(self) -> None:
        self.images = 0

    @abstractmethod
    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add the outputs for a batch."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all batches."""

    def drop(self, before: float, now: float) -> float:
        """How much worse a value is than another, in the unit; negative if it is better."""
        return before - now if self.better == "higher" else now - before
