"""The checkpoint of the best epoch whose metric was measured."""

import logging
import math

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

logger = logging.getLogger(__name__)

# COCO's value without ground truth.
NOTHING_MEASURED = -1.0


def is_measured(value: float) -> bool:
    """Whether the value of a metric was measured: it is not -1 or NaN."""
    return math.isfinite(value) and value != NOTHING_MEASURED


class BestCheckpoint(ModelCheckpoint):
    """Lightning's `ModelCheckpoint`, without epochs whose metric was not measured."""

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether to keep this epoch: not if its metric is -1 or NaN."""
        if current is not None and not is_measured(float(current)):
            logger.warning(
                "%s is %g: nothing was measured, so this epoch cannot be the best",
                self.monitor,
                float(current),
            )
            return False
        return super().check_monitor_top_k(trainer, current)

    @property
    def state_key(self) -> str:
        """The key of Lightning's `ModelCheckpoint`, as in the checkpoints of existing runs."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)
