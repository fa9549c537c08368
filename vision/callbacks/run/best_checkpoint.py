"""The checkpoint of the best epoch, of those in which there was something to measure."""

import logging
import math

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

logger = logging.getLogger(__name__)

# What COCO's evaluation gives where there is no object to find.
NOTHING_MEASURED = -1.0


def is_measured(value: float) -> bool:
    """Whether the value of a metric was measured: not where it is -1 or not a number."""
    return math.isfinite(value) and value != NOTHING_MEASURED


class BestCheckpoint(ModelCheckpoint):
    """Lightning's checkpoint of the best epoch, but never of one whose metric was not measured."""

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether this epoch is kept: not if its metric is -1 or not a number."""
        if current is not None and not is_measured(float(current)):
            logger.warning(
                "%s is %g: nothing was measured, and this epoch is not taken for the best",
                self.monitor,
                float(current),
            )
            return False
        return super().check_monitor_top_k(trainer, current)

    @property
    def state_key(self) -> str:
        """That of Lightning's own, under which runs have it in their checkpoints."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)
