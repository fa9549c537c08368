"""The base of all datasets with classes."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from vision.data.base.datamodule import DataModule
from vision.data.check.classes import class_problem
from vision.errors import DataError


class ClassData(DataModule):
    """A dataset with classes; of several bases this one comes first."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Name of each class, by label; known before `setup` wherever that is cheap."""

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def train_dataloader(self) -> DataLoader[Any]:
        """Augmented batches, after a check of the number of classes.

        Raises:
            DataError: A fit has a single class where two are needed.
        """
        problem = class_problem(self.kind, self.class_names) if self.trainer is not None else None
        if problem:
            raise DataError(problem)
        return super().train_dataloader()

    def class_problems(self) -> Iterator[str]:
        """A single class where two are needed."""
        try:
            problem = class_problem(self.kind, self.class_names)
        except DataError:
            return  # setup has found the same
        if problem:
            yield problem
