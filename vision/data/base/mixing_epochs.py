"""The epoch since which training images are not mixed any more."""

import logging

from lightning.pytorch import Trainer

from vision.data.transforms.detection_options import DetectionAugment
from vision.errors import ConfigError, listed

logger = logging.getLogger(__name__)


def closing_epoch(augment: DetectionAugment, trainer: Trainer | None) -> int | None:
    """The first of the last epochs, in which images are not mixed.

    Args:
        augment: The options.
        trainer: The trainer of the fit; None outside of one, where no epoch is the last.

    Returns:
        Its number, from 0; None if images are mixed in every epoch.

    Raises:
        ConfigError: The number of epochs is not known.
    """
    last = augment.close_mixing_epochs
    if not last or not augment.mixed or trainer is None:
        return None
    epochs = trainer.max_epochs
    if epochs is None or epochs < 0:
        raise ConfigError(
            f"augment.close_mixing_epochs={last} leaves {listed(augment.mixed)} out of the last "
            "epochs, but the number of epochs is not known: set trainer.max_epochs, or "
            "close_mixing_epochs to 0."
        )
    if epochs <= last:
        logger.warning(
            "augment.close_mixing_epochs=%d leaves %s out of all %d epochs of this run; lower it, "
            "or train for longer",
            last,
            listed(augment.mixed),
            epochs,
        )
    return max(0, epochs - last)
