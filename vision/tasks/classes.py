"""What all tasks with classes share: their number, their names, their colours."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn

from vision.contracts.models import ModelDescription
from vision.errors import ConfigError
from vision.options import MAX_CLASSES, check_number
from vision.tasks.base import BaseTask
from vision.tasks.checkpoint import agree_on_classes


class ClassTask(BaseTask):
    """A task with classes; one with images as well derives from both, from this one first.

    A subclass calls `set_classes` once its base is constructed.

    Attributes:
        num_classes: Number of classes.
        class_names: Name of each class by index; None while they are not known.
        palette: The data's own colour of each class, `[r, g, b]` in 0..255; None where they have
            none.
    """

    def set_classes(self, num_classes: int, class_names: Sequence[str] | None) -> None:
        """Say which classes there are.

        Args:
            num_classes: Number of classes.
            class_names: Their names; None takes them from the datamodule.

        Raises:
            ConfigError: The number is out of its range, or is not that of the names.
        """
        check_number("num_classes", num_classes, minimum=1, maximum=MAX_CLASSES)
        self.num_classes = num_classes
        self.class_names: list[str] | None = None
        self.palette: list[list[int]] | None = None
        if class_names is not None:
            self._adopt_classes(class_names, "class_names")

    def setup(self, stage: str) -> None:
        """Besides what all tasks do, compare the classes with those of the datamodule."""
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        if (palette := getattr(data, "palette", None)) is not None:
            self.palette = palette.tolist()
        names = getattr(data, "class_names", None)
        if names and stage != TrainerFn.PREDICTING:
            self._adopt_classes(names, "the data")

    def describe(self) -> ModelDescription:
        """As every task, with the names and the colours of the classes."""
        return {
            **super().describe(),
            "class_names": None if self.class_names is None else list(self.class_names),
            "palette": self.palette,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the class names, which whoever loads the weights compares with theirs."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["class_names"] = self.class_names

    def adopt_description(self, description: ModelDescription, origin: str) -> None:
        """Take over class names and palette from a file too, where there are none yet.

        Args:
            description: What the file says.
            origin: What the file is, for errors.

        Raises:
            ConfigError: There are not as many names as classes, or fewer colours.
        """
        colours = description["palette"]
        if colours is not None and len(colours) < self.num_classes:
            raise ConfigError(
                f"the palette of {origin} has {len(colours)} colours for {self.num_classes} "
                "classes. Take another copy of it."
            )
        if description["class_names"]:
            self._adopt_classes(description["class_names"], origin)
        super().adopt_description(description, origin)
        self.palette = self.palette or description["palette"]

    def _adopt_classes(self, names: Sequence[str], origin: str) -> None:
        self.class_names = agree_on_classes(self.class_names, names, self.num_classes, origin)
