"""The epoch of each optimiser step of a run, from what was logged."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from vision.documents.numbers import whole_number

STEP, EPOCH, VALIDATION = "step", "epoch", "val/"


class Epochs(NamedTuple):
    """Ends of epochs.

    Attributes:
        steps: Optimiser steps done `(N,)`, ascending, 0 first.
        epochs: Epochs done by then `(N,)`, 0 first.
    """

    steps: np.ndarray
    epochs: np.ndarray

    @classmethod
    def of(cls, steps: Sequence[float], epochs: Sequence[float | None]) -> "Epochs | None":
        """Take the last step of each epoch as its end.

        Args:
            steps: Index of an optimiser step, from 0.
            epochs: Index of its epoch, from 0; None if not logged.

        Returns:
            None if no epoch was logged.
        """
        ends: dict[float, float] = {}
        for step, epoch in zip(steps, epochs, strict=True):
            if epoch is not None:
                ends[epoch + 1] = max(step + 1, ends.get(epoch + 1, 0.0))
        if not ends:
            return None
        order = sorted(ends)
        done = np.array([0.0, *(ends[epoch] for epoch in order)])
        if (np.diff(done) <= 0).any():  # logs of two runs in one file
            return None
        return cls(done, np.array([0.0, *order]))

    def at(self, steps: Sequence[float] | np.ndarray) -> np.ndarray:
        """Epochs done after the steps of these indices, with fractions: float64 `(M,)`."""
        done = np.asarray(steps, float) + 1
        beyond = np.maximum(done - self.steps[-1], 0) * self.epochs[-1] / self.steps[-1]
        return np.interp(done, self.steps, self.epochs) + beyond


def epochs_of(rows: Iterable[Mapping[str, Any]]) -> Epochs | None:
    """Find the epochs in the rows of a `metrics.csv`.

    An epoch ends with its validation; in a run without any, with its last row.

    Returns:
        None if no epoch was logged.
    """
    logged, validated = [], []
    for row in rows:
        step, epoch = (whole_number(row.get(key) or "") for key in (STEP, EPOCH))
        if step is None or epoch is None:
            continue
        logged.append((step, epoch))
        if any(value for name, value in row.items() if name and name.startswith(VALIDATION)):
            validated.append((step, epoch))
    found = validated or logged
    return Epochs.of([step for step, _ in found], [epoch for _, epoch in found])
