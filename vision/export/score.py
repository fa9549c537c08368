"""The metric of exported models: the base of one class per kind of task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Outputs = Mapping[str, Tensor]


class Score(ABC):
    """The metric of a task.

    Attributes:
        metric: Its name, as the task logs it.
        images: Number of images that were taken in.
    """

    metric: str

    def __init__(self) -> None:
        self.images = 0

    @abstractmethod
    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Take in what was found in the images of a batch."""

    @abstractmethod
    def value(self) -> float:
        """The metric of all that was taken in, a fraction; higher is better."""
