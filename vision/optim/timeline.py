"""The length of a training in optimiser steps, and the images of a step."""

import math
from dataclasses import dataclass

from lightning.pytorch import Trainer

from vision.errors import ConfigError
from vision.optim.settings import OptimSettings

# The options that are stated in epochs, each with the value that states nothing.
_NOT_IN_EPOCHS = {"warmup_epochs": 0, "cooldown_epochs": 0, "milestones": [], "lr_interval": "step"}
# Schedules that depend on what is left of a training.
_NEED_LENGTH = ("cosine", "poly", "one_cycle")
ENDLESS = 2**62


@dataclass(frozen=True)
class Timeline:
    """The length of a training in optimiser steps.

    Attributes:
        total: Steps of the whole training; `ENDLESS` for one without end.
        warmup: Steps of the warm-up, at the start of it.
        cooldown: Steps at the smallest learning rate, at the end of it.
        epoch: Steps of an epoch; 1 where the training data has no length.
        milestones: Steps at which the learning rate falls.
    """

    total: int
    warmup: int = 0
    cooldown: int = 0
    epoch: int = 1
    milestones: tuple[int, ...] = ()


def count_steps(trainer: Trainer, settings: OptimSettings) -> Timeline:
    """The length of the training that a trainer is about to run.

    Accumulation of gradients, `max_steps` and limits on the batches are taken into account.

    Args:
        trainer: The trainer, while it configures the optimisers.
        settings: The settings.

    Returns:
        The length; warm-up and cool-down together are no longer than the training.

    Raises:
        ConfigError: The schedule needs an end that the training has not, or what is stated in
            epochs has no length in steps.
    """
    total = trainer.estimated_stepping_batches
    if not math.isfinite(total) or total < 0:
        if settings.lr_schedule in _NEED_LENGTH:
            raise ConfigError(
                "the schedule needs the length of the training: set trainer.max_epochs or "
                "trainer.max_steps."
            )
        total = ENDLESS
    total = int(total)
    trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if not math.isfinite(batches):
        if counted := counted_in_epochs(settings):
            raise ConfigError(
                f"{counted[0]} has no length in steps, since the training data has no length. Set "
                f"{' and '.join(f'{name}={none}' for name, none in _NOT_IN_EPOCHS.items())}, or "
                "trainer.limit_train_batches."
            )
        return Timeline(total, min(settings.warmup_steps or 0, total))
    epoch = math.ceil(batches / trainer.accumulate_grad_batches)
    steps = settings.warmup_steps
    warmup = min(round(settings.warmup_epochs * epoch) if steps is None else steps, total)
    cooldown = min(round(settings.cooldown_epochs * epoch), total - warmup)
    milestones = tuple(round(milestone * epoch) for milestone in settings.milestones)
    return Timeline(total, warmup, cooldown, epoch, milestones)


def counted_in_epochs(settings: OptimSettings) -> list[str]:
    """The settings whose place in a training depends on the steps of an epoch, as `name=value`."""
    rises = settings.lr_schedule != "one_cycle" and settings.warmup_steps is None
    values = {
        "warmup_epochs": settings.warmup_epochs if rises else 0,
        "cooldown_epochs": settings.cooldown_epochs,
        "milestones": list(settings.milestones),
        "lr_interval": settings.lr_interval,
    }
    return [f"{name}={value}" for name, value in values.items() if value != _NOT_IN_EPOCHS[name]]


def scale_to_trainer(settings: OptimSettings, trainer: Trainer) -> OptimSettings:
    """The settings for the number of images per optimiser step that a trainer makes.

    Raises:
        ConfigError: The learning rate is to be scaled, but the data has no batch size.
    """
    if settings.lr_batch_size is None:
        return settings
    data = getattr(trainer, "datamodule", None)
    batch_size = getattr(data, "batch_size", None)
    if not isinstance(batch_size, int):
        raise ConfigError(
            f"lr_batch_size={settings.lr_batch_size} scales the learning rate, but the data has no "
            "batch_size to scale it by. Leave out lr_batch_size."
        )
    return settings.scaled_to(batch_size * trainer.world_size * trainer.accumulate_grad_batches)
