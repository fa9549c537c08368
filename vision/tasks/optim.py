"""The optimiser of every task: parameter groups, AdamW, linear warm-up and cosine decay."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lightning.pytorch import Trainer
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vision.backbones.base import Backbone
from vision.errors import ConfigError

BACKBONE = "backbone."


@dataclass(frozen=True)
class OptimSettings:
    """Settings of the optimiser and its schedule.

    Attributes:
        lr: Learning rate at the end of the warm-up.
        min_lr: Learning rate at the end of training.
        weight_decay: Decoupled weight decay of the parameters that have any.
        betas: Decay rates of AdamW's two moments.
        warmup_epochs: Length of the linear warm-up; fractions are accepted, 0 leaves it out.
        warmup_lr: Learning rate of the first iteration of the warm-up.
        layer_decay: Factor on the learning rate per depth level of the backbone, from the last
            level to the stem; 1 trains all levels alike.

    Raises:
        ConfigError: A value is outside its range.
    """

    lr: float
    min_lr: float = 0.0
    weight_decay: float = 0.05
    betas: Sequence[float] = (0.9, 0.999)
    warmup_epochs: float = 0.0
    warmup_lr: float = 0.0
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        ranges = {
            "lr": (self.lr > 0, "a positive number"),
            "min_lr": (0 <= self.min_lr <= self.lr, f"between 0 and lr={self.lr}"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "betas": (
                len(self.betas) == 2 and all(0 <= beta < 1 for beta in self.betas),
                "two numbers in [0, 1)",
            ),
            "warmup_epochs": (self.warmup_epochs >= 0, "0 or more"),
            "warmup_lr": (self.warmup_lr >= 0, "0 or more"),
            "layer_decay": (0 < self.layer_decay <= 1, "in (0, 1]"),
        }
        for name, (fits, expected) in ranges.items():
            if not fits:
                raise ConfigError(f"{name}={getattr(self, name)} must be {expected}.")


@dataclass
class ParameterGroup:
    """Parameters that share a learning rate and a weight decay.

    Attributes:
        lr_scale: Factor on the learning rate.
        weight_decay: Weight decay.
        names: Parameter names within the task.
        parameters: The parameters, in the order of `names`.
    """

    lr_scale: float
    weight_decay: float
    names: list[str]
    parameters: list[nn.Parameter]


def parameter_groups(
    module: nn.Module, *, weight_decay: float, layer_decay: float = 1.0
) -> list[ParameterGroup]:
    """Sort the trainable parameters of a task, each into exactly one group.

    One-dimensional parameters (biases, norms, layer scales) and those that a direct child names in
    `no_weight_decay()` get no weight decay. With `layer_decay` d, depth level i of the L levels of
    `backbone.layer_groups()` gets the learning-rate factor d ** (L - i), everything behind the
    backbone the factor 1 ("BEiT", 2021, section 3.2, gives the scheme for fine-tuning).

    Args:
        module: The task; its backbone is the child `backbone`.
        weight_decay: Weight decay of the parameters that have any.
        layer_decay: Factor per level, in (0, 1].

    Returns:
        The groups by rising learning rate: the stem first, the head last.
    """
    scales = dict(_lr_scales(module, layer_decay))
    exempt = set(_exempt_names(module))
    groups: dict[tuple[float, float], ParameterGroup] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = scales.get(name, 1.0)
        decay = 0.0 if parameter.ndim <= 1 or name in exempt else weight_decay
        group = groups.setdefault((scale, decay), ParameterGroup(scale, decay, [], []))
        group.names.append(name)
        group.parameters.append(parameter)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], -key[1]))]


def _lr_scales(module: nn.Module, layer_decay: float) -> Iterator[tuple[str, float]]:
    backbone = getattr(module, "backbone", None)
    if layer_decay == 1.0 or not isinstance(backbone, Backbone):
        return
    levels = backbone.layer_groups()
    for i, names in enumerate(levels):
        for name in names:
            yield BACKBONE + name, layer_decay ** (len(levels) - i)


def _exempt_names(module: nn.Module) -> Iterator[str]:
    for child_name, child in module.named_children():
        names: Callable[[], set[str]] = getattr(child, "no_weight_decay", set)
        yield from (f"{child_name}.{name}" for name in names())


def build_optimizer(module: nn.Module, settings: OptimSettings) -> AdamW:
    """AdamW ("Decoupled Weight Decay Regularization", 2019) over the groups of `parameter_groups`.

    Args:
        module: The task.
        settings: Its settings.

    Returns:
        The optimiser; the head's parameters are in its last groups.

    Raises:
        ConfigError: Every parameter is frozen.
    """
    groups = parameter_groups(
        module, weight_decay=settings.weight_decay, layer_decay=settings.layer_decay
    )
    if not groups:
        raise ConfigError("there is nothing to train: every parameter of the task is frozen.")
    return AdamW(
        [
            {
                "params": group.parameters,
                "lr": settings.lr * group.lr_scale,
                "weight_decay": group.weight_decay,
            }
            for group in groups
        ],
        lr=settings.lr,
        betas=(settings.betas[0], settings.betas[1]),
    )


def learning_rate(
    step: int, settings: OptimSettings, *, warmup_steps: int, total_steps: int
) -> float:
    """Learning rate of one iteration: linear warm-up, then half a cosine.

    "SGDR", 2017, equation 5, without restarts. The warm-up goes from `warmup_lr` at iteration 0 to
    `lr` at iteration `warmup_steps`, the cosine from there to `min_lr` at `total_steps`.

    Args:
        step: Optimiser steps taken before this iteration.
        settings: The settings.
        warmup_steps: Optimiser steps of the warm-up.
        total_steps: Optimiser steps of the whole training.

    Returns:
        The learning rate of the parameters whose factor is 1.
    """
    if step < warmup_steps:
        return settings.warmup_lr + (settings.lr - settings.warmup_lr) * step / warmup_steps
    done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    cosine = 0.5 * (1.0 + math.cos(math.pi * done))
    return settings.min_lr + (settings.lr - settings.min_lr) * cosine


def build_schedule(
    optimizer: Optimizer, settings: OptimSettings, *, warmup_steps: int, total_steps: int
) -> LambdaLR:
    """The schedule of `learning_rate`, to be stepped after each optimiser step.

    Every group keeps its factor, in the warm-up and at the end too.
    """
    return LambdaLR(
        optimizer,
        lambda step: (
            learning_rate(step, settings, warmup_steps=warmup_steps, total_steps=total_steps)
            / settings.lr
        ),
    )


def count_steps(trainer: Trainer, warmup_epochs: float) -> tuple[int, int]:
    """Optimiser steps of the warm-up and of the whole training that a trainer is about to run.

    Accumulation of gradients, `max_steps` and limits on the batches are taken into account.

    Args:
        trainer: The trainer, while it configures the optimisers.
        warmup_epochs: Length of the warm-up in epochs.

    Returns:
        `(warmup_steps, total_steps)`; the warm-up is no longer than the training.

    Raises:
        ConfigError: The training has no end, or a warm-up in epochs has no length in steps.
    """
    total = trainer.estimated_stepping_batches
    if not math.isfinite(total) or total < 0:
        raise ConfigError(
            "the cosine schedule needs the length of the training: set trainer.max_epochs or "
            "trainer.max_steps."
        )
    if warmup_epochs == 0:
        return 0, int(total)
    trainer.fit_loop.setup_data()
    batches = trainer.num_training_batches
    if not math.isfinite(batches):
        raise ConfigError(
            f"warmup_epochs={warmup_epochs} has no length in steps, since the training data has no "
            "length. Set warmup_epochs=0 or trainer.limit_train_batches."
        )
    per_epoch = math.ceil(batches / trainer.accumulate_grad_batches)
    return min(round(warmup_epochs * per_epoch), int(total)), int(total)
