"""Base class of the metrics of exported models, one subclass per kind of task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Outputs = Mapping[str, Tensor]


class Score(ABC):
    """The metric of a task.

    Attributes:
        metric: Its name, as the task logs it.
        images: Number of images added.
    """

    metric: str

    def __init__(self) -> None:
        self.images = 0

    @abstractmethod
    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add the outputs for a batch."""

    @abstractmethod
    def value(self) -> float:
        """The metric over all batches, in [0, 1]; higher is better."""
