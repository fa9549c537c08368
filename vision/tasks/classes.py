"""Base class of tasks with classes: their number, names and colours."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch.trainer.states import TrainerFn

from vision.contracts.models import ModelDescription
from vision.errors import ConfigError
from vision.options import MAX_CLASSES, check_number
from vision.tasks.base import BaseTask
from vision.tasks.checkpoint import agree_on_classes


class ClassTask(BaseTask):
    """A task with classes; a task with images too derives from this class first, then `ImageTask`.

    A subclass calls `set_classes` once its base is constructed.

    Attributes:
        num_classes: Number of classes.
        class_names: Name of each class by index; None while they are not known.
        palette: The dataset's colour of each class, `[r, g, b]` in 0..255; None if it has none.
    """

    def set_classes(self, num_classes: int, class_names: Sequence[str] | None) -> None:
        """Set the classes.

        Args:
            num_classes: Number of classes.
            class_names: Their names; None uses them from the datamodule.

        Raises:
            ConfigError: The number is out of range, or differs from the number of names.
        """
        check_number("num_classes", num_classes, minimum=1, maximum=MAX_CLASSES)
        self.num_classes = num_classes
        self.class_names: list[str] | None = None
        self.palette: list[list[int]] | None = None
        if class_names is not None:
            self._adopt_classes(class_names, "class_names")

    def setup(self, stage: str) -> None:
        """Set up as every task, and compare the classes with the datamodule's."""
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        if (palette := getattr(data, "palette", None)) is not None:
            self.palette = palette.tolist()
        names = getattr(data, "class_names", None)
        if names and stage != TrainerFn.PREDICTING:
            self._adopt_classes(names, "the data")

    def describe(self) -> ModelDescription:
        """Describe as every task, with the names and colours of the classes."""
        return {
            **super().describe(),
            "class_names": None if self.class_names is None else list(self.class_names),
            "palette": self.palette,
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the class names, for comparison when the weights are loaded."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["class_names"] = self.class_names

    def adopt_description(self, description: ModelDescription, origin: str) -> None:
        """Take over class names and palette from a file too, if there are none yet.

        Args:
            description: Description in the file.
            origin: Name of the file, for errors.

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
