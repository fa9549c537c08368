"""Resume a training: its position in the schedule, and the optimiser options of the config."""

import logging
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from lightning.pytorch import Trainer
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vision.errors import CheckpointError, ConfigError, listed
from vision.optim.fused import place_steps
from vision.optim.names import FACTORED
from vision.optim.settings import OptimSettings
from vision.optim.timeline import Timeline, counted_in_epochs

logger = logging.getLogger(__name__)

KEY = "schedule"
# The optimiser of checkpoints that do not name theirs.
EARLIER = "adamw"


class Resumed(NamedTuple):
    """The state of optimiser and schedule in a checkpoint.

    Attributes:
        accumulated: Batches per optimiser step; None in a checkpoint of an older version.
        epoch_steps: Optimiser steps per epoch; likewise None.
        group_sizes: Number of parameters in each group of the optimiser.
        optimizer: Name of the optimiser.
    """

    accumulated: int | None
    epoch_steps: int | None
    group_sizes: list[int]
    optimizer: str


class Plan(NamedTuple):
    """Optimiser and schedule of the config.

    Attributes:
        settings: The settings of the optimiser.
        timeline: The length of the training.
        group_options: Learning rate, weight decay and so on of each group of the optimiser.
    """

    settings: OptimSettings
    timeline: Timeline
    group_options: list[dict[str, Any]]


def save_place(checkpoint: dict[str, Any], trainer: Trainer, plan: Plan) -> None:
    """Add the state of optimiser and schedule to a checkpoint."""
    checkpoint[KEY] = {
        "accumulated": trainer.accumulate_grad_batches,
        "epoch_steps": plan.timeline.epoch,
        "optimizer": plan.settings.name,
    }


def load_place(checkpoint: Mapping[str, Any]) -> Resumed:
    """Read the state of optimiser and schedule from a checkpoint."""
    known = checkpoint.get(KEY) or {}
    states = checkpoint.get("optimizer_states") or [{"param_groups": []}]
    sizes = [len(group["params"]) for group in states[0]["param_groups"]]
    return Resumed(
        accumulated=known.get("accumulated"),
        epoch_steps=known.get("epoch_steps"),
        group_sizes=sizes,
        optimizer=known.get("optimizer", EARLIER),
    )


def make_plan(settings: OptimSettings, timeline: Timeline, optimizer: Optimizer) -> Plan:
    """The plan of the config, with the options of a new optimiser."""
    options = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    return Plan(settings, timeline, options)


def check_name(resumed: Resumed, settings: OptimSettings) -> None:
    """Raise a `ConfigError` if a checkpoint has the moments of another optimiser."""
    if resumed.optimizer != settings.name:
        raise ConfigError(
            f"the checkpoint was trained by optim.name={resumed.optimizer!r}, the config has "
            f"{settings.name!r}, which cannot go on from its moments.\nResume with "
            f"--model.optim.name {resumed.optimizer}; or begin a new run from its weights: "
            "--model.weights FILE without --ckpt_path."
        )


def check_groups(resumed: Resumed, optimizer: Optimizer) -> None:
    """Check that the moments of a checkpoint fit the optimiser.

    Raises:
        ConfigError: The parameters are grouped differently.
    """
    ours = [len(group["params"]) for group in optimizer.param_groups]
    if resumed.group_sizes and resumed.group_sizes != ours:
        raise ConfigError(
            f"the checkpoint's optimiser has groups of {listed(resumed.group_sizes)} parameters, "
            f"the config's has {listed(ours)}: frozen_stages, layer_decay, no_decay or the version "
            "of the suite differ.\nResume with the config of its run; or begin a new run from its "
            "weights: --model.weights FILE without --ckpt_path."
        )


def continue_schedule(trainer: Trainer, plan: Plan, resumed: Resumed) -> None:
    """Apply the config's options to a restored optimiser, and set its position in the schedule.

    A checkpoint holds moments and the position; rates, decay, the kind of step (fused or not) and
    the length of the training come from the config, from the first step on. If the number of
    optimiser steps per epoch has changed, the schedule continues at the same epoch, provided that
    the checkpoint was written between two.

    Args:
        trainer: The trainer, which has restored everything.
        plan: Plan of the config.
        resumed: State in the checkpoint.

    Raises:
        ConfigError: The position has no counterpart in this run.
        CheckpointError: The shape of a moment differs from its parameter's.
    """
    optimizer = trainer.optimizers[0]
    schedule: Any = trainer.lr_scheduler_configs[0].scheduler
    place = _place(trainer, plan, resumed, schedule.last_epoch)
    if place != schedule.last_epoch and trainer.is_global_zero:
        logger.warning(
            "an epoch has %d optimiser steps, %s before: the schedule goes on at step %d, where as "
            "many epochs are done as at step %d before.",
            plan.timeline.epoch,
            resumed.epoch_steps or "another number",
            place,
            schedule.last_epoch,
        )
    for group, options in zip(optimizer.param_groups, plan.group_options, strict=True):
        group.update(options)
    place_steps(optimizer)
    if plan.settings.name not in FACTORED:
        _check_moments(optimizer)
    _move(schedule, place)


def _check_moments(optimizer: Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            numbered = isinstance(value, Tensor) and value.ndim > 0
            if numbered and value.shape != parameter.shape:
                raise CheckpointError(
                    f"the checkpoint's optimiser has a moment '{name}' of {tuple(value.shape)} for "
                    f"a parameter of {tuple(parameter.shape)}: it is damaged, or belongs to "
                    "another model. Take another one of the run."
                )


def _move(schedule: LambdaLR, place: int) -> None:
    groups = schedule.optimizer.param_groups
    base = [group["initial_lr"] for group in groups]
    rates = [lr * rate(place) for lr, rate in zip(base, schedule.lr_lambdas, strict=True)]
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate
    moved = {"base_lrs": base, "last_epoch": place, "_last_lr": rates}
    schedule.load_state_dict({**schedule.state_dict(), **moved})


def _place(trainer: Trainer, plan: Plan, resumed: Resumed, step: int) -> int:
    """The step of this run's schedule that corresponds to `step` of the checkpoint's."""
    steps = plan.timeline.epoch
    if not math.isfinite(trainer.num_training_batches) or resumed.epoch_steps == steps:
        return _same_accumulation(trainer, resumed, step)
    if trainer.max_steps == plan.timeline.total:  # its length is stated in steps
        if resumed.epoch_steps is not None and (counted := counted_in_epochs(plan.settings)):
            raise ConfigError(
                f"an epoch had {resumed.epoch_steps} optimiser steps when the checkpoint was "
                f"written and has {steps} now, but the training has trainer.max_steps="
                f"{trainer.max_steps} and {counted[0]}, which would fall elsewhere. Resume with "
                "the same number of images per step."
            )
        return _same_accumulation(trainer, resumed, step)
    if not _within_epoch(trainer):
        return trainer.fit_loop.epoch_progress.current.ready * steps
    if resumed.epoch_steps is not None:
        raise ConfigError(
            f"the checkpoint was written within an epoch of {resumed.epoch_steps} optimiser steps; "
            f"an epoch of this run has {steps}. Resume with the same batch size, devices, "
            "trainer.accumulate_grad_batches and data; between two epochs these may change."
        )
    return step


def _same_accumulation(trainer: Trainer, resumed: Resumed, step: int) -> int:
    now = trainer.accumulate_grad_batches
    if _within_epoch(trainer) and resumed.accumulated not in (None, now):
        raise ConfigError(
            f"the checkpoint was written within an epoch, at {resumed.accumulated} accumulated "
            f"batches per optimiser step; this run has {now}. Resume with "
            f"--trainer.accumulate_grad_batches {resumed.accumulated}; between two epochs it may "
            "change."
        )
    return step


def _within_epoch(trainer: Trainer) -> bool:
    # Lightning declares a base class of this without `processed`.
    epochs: Any = trainer.fit_loop.epoch_progress.current
    return epochs.processed != epochs.ready
