"""The learning rate of each optimiser step."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vision.optim.plateau import PlateauLR
from vision.optim.settings import OptimSettings
from vision.optim.timeline import Timeline


def learning_rate(step: int, settings: OptimSettings, timeline: Timeline) -> float:
    """Learning rate of one iteration: linear warm-up, then the schedule of the settings.

    The cosine follows "SGDR", 2017, equation 5, without restarts. The warm-up goes from
    `warmup_lr` at iteration 0 to `lr` at iteration `warmup`. The cosine, counted from there or from
    iteration 0 (`cosine_from`), ends at `min_lr` where the cool-down begins. "Poly" is the schedule
    of "DeepLab", Chen et al., 2016, section 4.1.2, as mmsegmentation's recipes have it: it falls
    from iteration 0 on, and in the warm-up a factor that rises from `warmup_lr / lr` multiplies it,
    or `lr` (`warmup_to`).
    "One-cycle" is "Super-Convergence", Smith and Topin, 2018, as PyTorch's `OneCycleLR` has it,
    with a constant momentum; it needs no warm-up. A plateau's falls depend on the validations and
    are added by `vision.optim.plateau`.

    Args:
        step: Optimiser steps taken before this iteration.
        settings: The settings.
        timeline: The length of the training.

    Returns:
        The learning rate of the parameters whose factor is 1.
    """
    if settings.lr_interval == "epoch":
        step -= step % timeline.epoch
    if settings.lr_schedule == "poly":
        return _poly(step, settings, timeline)
    if settings.lr_schedule == "one_cycle":
        return _one_cycle(step, settings, timeline)
    if step < timeline.warmup:
        return settings.warmup_lr + (settings.lr - settings.warmup_lr) * step / timeline.warmup
    if settings.lr_schedule in ("constant", "plateau"):
        return settings.lr
    if settings.lr_schedule == "steps":
        passed = sum(step >= milestone for milestone in timeline.milestones)
        return max(settings.min_lr, settings.lr * settings.gamma**passed)
    start = timeline.warmup if settings.cosine_from == "warmup_end" else 0
    length = timeline.total - timeline.cooldown - start
    done = min(1.0, (step - start) / max(1, length))
    return _half_cosine(settings.lr, settings.min_lr, done)


def _half_cosine(first: float, last: float, done: float) -> float:
    cosine = 0.5 * (1.0 + math.cos(math.pi * done))
    return last + (first - last) * cosine


def _poly(step: int, settings: OptimSettings, timeline: Timeline) -> float:
    length = max(1, timeline.total - timeline.cooldown)
    left = (1 - min(1.0, step / length)) ** settings.power
    rate = settings.min_lr + (settings.lr - settings.min_lr) * left
    if step >= timeline.warmup:
        return rate
    first = settings.warmup_lr / settings.lr
    top = settings.lr if settings.warmup_to == "lr" else rate
    return top * (first + (1 - first) * step / timeline.warmup)


def _one_cycle(step: int, settings: OptimSettings, timeline: Timeline) -> float:
    last = max(1, timeline.total - 1)
    top = min(max(0.0, settings.peak * timeline.total - 1), last)
    if step < top:
        return _half_cosine(settings.warmup_lr, settings.lr, step / top)
    done = (step - top) / (last - top) if last > top else 1.0
    return _half_cosine(settings.lr, settings.min_lr, min(1.0, done))


def build_schedule(
    optimizer: Optimizer, settings: OptimSettings, timeline: Timeline, *, mode: str = "min"
) -> LambdaLR:
    """The schedule of `learning_rate`, to be stepped after each optimiser step.

    Every group keeps its factor, in the warm-up and at the end too.

    Args:
        optimizer: The optimiser.
        settings: The settings.
        timeline: The length of the training.
        mode: Whether the metric that "plateau" watches is better at its `"min"` or `"max"`.
    """

    def factor(step: int) -> float:
        return learning_rate(step, settings, timeline) / settings.lr

    if settings.lr_schedule == "plateau":
        return PlateauLR(optimizer, factor, settings, mode=mode)
    return LambdaLR(optimizer, factor)
