"""A dataset of (image, vector of classes) pairs as a datamodule."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vision.data.adapters.classification import ClassificationPairs
from vision.errors import DataError, shown


class MultiLabelPairs(ClassificationPairs):
    """A dataset of images with any number of classes; see `vision.data.from_dataset`.

    A target is a vector `(K,)`: 1 for each class that is present, 0 for others. The arguments are
    those of `ClassificationPairs`.
    """

    kind = "multilabel"

    @staticmethod
    def fits(target: object) -> bool:
        """Whether a target is a vector."""
        return isinstance(target, Tensor | np.ndarray) and target.ndim == 1

    def label_of(self, target: Any, place: str) -> Tensor:
        """The label of a target, float `(K,)`.

        Args:
            target: The target.
            place: What the sample is called, for errors.

        Raises:
            DataError: It is not a vector of a zero or one for each class.
        """
        expected = f"expected {self.num_classes} zeros and ones, one for each class"
        if not self.fits(target):
            raise DataError(f"{place} has the label {shown(target)}; {expected}.")
        values = torch.as_tensor(target).detach().as_subclass(Tensor)
        if values.shape != (self.num_classes,) or not bool(((values == 0) | (values == 1)).all()):
            raise DataError(
                f"{place} has the label {shown(values.tolist())} of {len(values)} values; "
                f"{expected}."
            )
        return values.float()
