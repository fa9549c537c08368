"""Metrics of each class, logged on request."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from vision.errors import ConfigError

# Each class adds a column for each metric to the log.
MAX_CLASSES = 1000


class ClassMetrics(nn.Module):
    """Metrics with a value for each class; without `enabled` it does nothing.

    Args:
        metrics: Metrics whose value is `(K,)`, by name.
        num_classes: Number of classes.
        enabled: Whether they are measured.

    Raises:
        ConfigError: There are too many classes for a log.
    """

    def __init__(self, metrics: MetricCollection, num_classes: int, enabled: bool) -> None:
        super().__init__()
        if enabled and num_classes > MAX_CLASSES:
            raise ConfigError(
                f"per_class_metrics logs {len(metrics)} values for each of {num_classes:,} classes;"
                f" up to {MAX_CLASSES:,} classes are possible. The report of a run has them for "
                "any number."
            )
        self.metrics = metrics if enabled else None
        self.num_classes = num_classes

    def reset(self) -> None:
        """Begin an evaluation."""
        if self.metrics is not None:
            self.metrics.reset()

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add a batch: scores `(B, K)` and int64 labels `(B,)`, or `(B, K)` of 0 and 1."""
        if self.metrics is not None:
            self.metrics.update(scores, labels)

    def compute(self, names: Sequence[str] | None) -> dict[str, Tensor]:
        """The value of each metric and class, as `METRIC/CLASS`.

        Args:
            names: Names of the classes; None uses their numbers.
        """
        if self.metrics is None:
            return {}
        shown = names or [str(label) for label in range(self.num_classes)]
        return {
            f"{metric}/{name.replace('/', '_')}": value
            for metric, values in self.metrics.compute().items()
            for name, value in zip(shown, torch.unbind(values.float()), strict=True)
        }
