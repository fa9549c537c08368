"""The interface between a detector of boxes in space and what it reads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from vision.contracts.detection3d import Boxes3DPrediction
from vision.contracts.features import Input
from vision.tasks.first_batch import Stage


class SceneInput(ABC):
    """How a task feeds its parts with one kind of input, and what it makes of their outputs.

    It has no parameters: the parts are the task's, which are looked up when they are used.

    Args:
        task: A `Detection3D`, with all its parts.

    Attributes:
        reads: What it reads.
        no_compile: Why the backbone is not compiled; None if it may be.
        task: The task.
    """

    reads: ClassVar[Input]
    no_compile: ClassVar[str | None] = None

    def __init__(self, task: Any) -> None:
        self.task = task

    def settle(self) -> None:  # noqa: B027
        """Bring the parts into their final form, once the initial weights are loaded."""

    def describe(self) -> dict[str, Any]:
        """What a model file says of the expected input: `input` of `ModelDescription`."""
        return {}

    @abstractmethod
    def count(self, batch: Mapping[str, Any]) -> int:
        """Number of scenes of a batch."""

    @abstractmethod
    def check_batch(self, batch: Mapping[str, Any], stage: Stage) -> None:
        """Check the input of the first batch of a stage, and what is to be learned.

        Raises:
            DataError: They are of another type, shape or range.
        """

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Change every batch on the device; by default nothing."""
        return batch

    @abstractmethod
    def losses(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Weighted terms `()` of the loss of a training batch, by name."""

    @abstractmethod
    def run(self, batch: Mapping[str, Any]) -> Sequence[Boxes3DPrediction]:
        """The objects of each scene of a prepared batch, which do not depend on the others."""

    @abstractmethod
    def forward(
        self,
        inputs: Tensor,
        beside: Tensor | None = None,
        sizes: Tensor | None = None,
        original_sizes: Tensor | None = None,
    ) -> Sequence[Boxes3DPrediction]:
        """Find the objects of scenes as they are in a batch, before it is prepared.

        Args:
            inputs: The images or the points.
            beside: What belongs to them.
            sizes: Sizes of images; None without, or for those of `inputs`.
            original_sizes: Sizes of original images, likewise.
        """
