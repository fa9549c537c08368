"""A trained model that is ready to predict."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from vision.contracts import ModelDescription
from vision.tasks.base import BaseTask


class Model:
    """A trained task with all that it needs to know: classes, preprocessing, colours.

    Args:
        task: The task.
        description: What its file says of it.
        path: The file; None for a task that was not loaded.
        device: Where it computes; None leaves the task where it is.

    Attributes:
        kind: Name of the task: "classification", "detection" or "segmentation".
        class_names: Name of each class by index.
    """

    def __init__(
        self,
        task: BaseTask,
        description: ModelDescription,
        *,
        path: Path | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.task = task.eval()
        self.description = description
        self.path = path
        if device is not None:
            self.to(device)
        self.kind: str = type(task).kind or description["task"].lower()
        count = task.num_classes or 0
        self.class_names = tuple(task.class_names or map(str, range(count)))

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.task.parameters()).device

    def to(self, device: str | torch.device) -> Self:
        """Move the model to a device."""
        self.task.to(device)
        return self

    def __call__(self, images: Tensor) -> Any:
        """What the task gives for images as in a batch: `(B, C, H, W)`, uint8 or 0..255."""
        with torch.inference_mode():
            return self.task(images.to(self.device))

    def __repr__(self) -> str:
        described = self.description
        return (
            f"{described['task']}({described['backbone']}, {len(self.class_names)} classes, "
            f"{described['step']} steps)"
        )
