"""The optimiser of every task: parameter groups, AdamW, and the learning-rate schedule."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from lightning.pytorch import Trainer
from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from vision.backbones.encoder import Encoder
from vision.errors import ConfigError
from vision.optim.sharding import plain_name
from vision.optim.weight_decay import NoDecay, undecayed_names
from vision.options import Range, Ranges, check_number, check_ranges

BACKBONE = "backbone."
Decay = Literal["cosine", "steps", "poly"]
CosineFrom = Literal["warmup_end", "start"]
Interval = Literal["step", "epoch"]
Scaling = Literal["lr", "all"]
Levels = Literal["block", "stage"]

RANGES: Ranges = {
    "lr": Range(above=0),
    "weight_decay": Range(minimum=0),
    "betas": Range(minimum=0, below=1, length=2),
    "warmup_epochs": Range(minimum=0),
    "warmup_steps": Range(minimum=0, optional=True),
    "warmup_lr": Range(minimum=0),
    "lr_schedule": get_args(Decay),
    "gamma": Range(above=0, maximum=1),
    "power": Range(above=0),
    "cooldown_epochs": Range(minimum=0),
    "cosine_from": get_args(CosineFrom),
    "lr_interval": get_args(Interval),
    "lr_batch_size": Range(minimum=1, optional=True),
    "lr_scaling": get_args(Scaling),
    "layer_decay": Range(above=0, maximum=1),
    "layer_decay_by": get_args(Levels),
    "layer_decay_depth": Range(minimum=1, optional=True),
    "no_decay": get_args(NoDecay),
}


@dataclass(frozen=True)
class OptimSettings:
    """Settings of the optimiser and its schedule.

    Attributes:
        lr: Learning rate at the end of the warm-up.
        min_lr: Learning rate at the end of the cosine.
        weight_decay: Decoupled weight decay, of every parameter that `no_decay` does not exempt.
        betas: Decay rates of AdamW's two moments.
        warmup_epochs: Length of the linear warm-up in epochs. Fractions are accepted, 0 leaves the
            warm-up out.
        warmup_steps: Length of the linear warm-up in optimiser steps, in place of `warmup_epochs`;
            None uses `warmup_epochs`.
        warmup_lr: Learning rate of the first iteration of the warm-up.
        lr_schedule: What follows the warm-up. "cosine" is half a cosine, "steps" a constant that
            is multiplied by `gamma` at each of the `milestones`, "poly" a power of what is left of
            the training.
        milestones: Epochs after which the learning rate is multiplied by `gamma`.
        gamma: Factor on the learning rate at each milestone.
        power: Exponent of "poly". 1 is a straight line.
        cooldown_epochs: Number of epochs at `min_lr` after the cosine, as part of the whole
            training.
        cosine_from: Where the cosine begins: "warmup_end", or "start" of the training, so that the
            learning rate drops a little when the warm-up ends.
        lr_interval: Whether the learning rate changes with each optimiser "step", or at the start
            of each "epoch".
        lr_batch_size: Images per optimiser step, over all devices, that `lr` is meant for. Another
            number scales it linearly; None does not scale it.
        lr_scaling: What `lr_batch_size` scales: "lr" only, or "all" of `lr`, `min_lr` and
            `warmup_lr`. `min_lr` never becomes larger than `lr`.
        layer_decay: Factor on the learning rate per depth level of the backbone, from the last
            level to the stem. 1 trains all levels alike.
        layer_decay_by: What a depth level is: a "block" (or what the authors took for one), or a
            "stage", with the layers between the stages at the level of the stem.
        layer_decay_depth: Number of levels that are counted with stages: the last of four stages is
            `layer_decay_depth - 3` levels below the head. None counts the stages.
        no_decay: Parameters without weight decay: "vectors" (biases, norms, layer scales), "norms",
            "named_norms" (those whose name in the published code says so) or "nothing". See
            `undecayed_names`.

    Raises:
        ConfigError: A value is outside its range.
    """

    lr: float = 1e-3
    min_lr: float = 1e-6
    weight_decay: float = 0.05
    betas: Sequence[float] = (0.9, 0.999)
    warmup_epochs: float = 5.0
    warmup_steps: int | None = None
    warmup_lr: float = 1e-6
    lr_schedule: Decay = "cosine"
    milestones: Sequence[float] = ()
    gamma: float = 0.1
    power: float = 1.0
    cooldown_epochs: float = 0.0
    cosine_from: CosineFrom = "warmup_end"
    lr_interval: Interval = "step"
    lr_batch_size: int | None = None
    lr_scaling: Scaling = "lr"
    layer_decay: float = 1.0
    layer_decay_by: Levels = "block"
    layer_decay_depth: int | None = None
    no_decay: NoDecay = "vectors"

    def __post_init__(self) -> None:
        check_ranges(vars(self), RANGES)
        check_number("min_lr", self.min_lr, minimum=0, maximum=self.lr, unit="(lr)")
        has_steps = self.lr_schedule == "steps"
        if bool(self.milestones) != has_steps or [*self.milestones] != sorted(self.milestones):
            raise ConfigError(
                f"milestones={[*self.milestones]} must be epochs in ascending order with "
                f"lr_schedule='steps', and empty without; lr_schedule={self.lr_schedule!r}."
            )
        if self.layer_decay_depth is not None and self.layer_decay_by != "stage":
            raise ConfigError(
                f"layer_decay_depth={self.layer_decay_depth} counts stages: set "
                "layer_decay_by='stage', or leave it out."
            )

    def scaled_to(self, batch_size: int) -> Self:
        """The settings for optimiser steps of `batch_size` images over all devices.

        Learning rates follow the linear rule of "Accurate, Large Minibatch SGD", Goyal et al.,
        2017, section 2.1.
        """
        if self.lr_batch_size is None:
            return self
        factor = batch_size / self.lr_batch_size
        names = ["lr", *(["min_lr", "warmup_lr"] if self.lr_scaling == "all" else [])]
        scaled = {name: factor * getattr(self, name) for name in names}
        scaled["min_lr"] = min(scaled["lr"], scaled.get("min_lr", self.min_lr))
        return replace(self, **scaled, lr_batch_size=batch_size)


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
    module: nn.Module,
    *,
    weight_decay: float,
    layer_decay: float = 1.0,
    layer_decay_by: Levels = "block",
    layer_decay_depth: int | None = None,
    undecayed: frozenset[str] | None = None,
) -> list[ParameterGroup]:
    """Sort the trainable parameters of a task, each into exactly one group.

    The parameters of `undecayed` get no weight decay. With `layer_decay` d, level i of the L of
    `backbone.decay_groups()` gets the learning-rate factor d ** (L - i), everything behind the
    backbone the factor 1 ("BEiT", 2021, section 3.2, gives the scheme for fine-tuning). By stages
    the levels are `backbone.stage_decay_groups()`, and L is `layer_decay_depth + 1`.

    Args:
        module: The task; its backbone is the child `backbone`.
        weight_decay: Weight decay of the parameters that have any.
        layer_decay: Factor per level, in (0, 1].
        layer_decay_by: What a level is.
        layer_decay_depth: As in `OptimSettings`.
        undecayed: What `undecayed_names` gave when the task was built: FSDP flattens every
            parameter. None asks now, by the rule "vectors".

    Returns:
        The groups by rising learning rate: the stem first, the head last.
    """
    scales = dict(_lr_scales(module, layer_decay, layer_decay_by, layer_decay_depth))
    if undecayed is None:
        undecayed = undecayed_names(module, "vectors")
    groups: dict[tuple[float, float], ParameterGroup] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = scales.get(name, 1.0)
        decay = 0.0 if plain_name(name) in undecayed else weight_decay
        group = groups.setdefault((scale, decay), ParameterGroup(scale, decay, [], []))
        group.names.append(name)
        group.parameters.append(parameter)
    return [groups[key] for key in sorted(groups, key=lambda key: (key[0], -key[1]))]


def _lr_scales(
    module: nn.Module, layer_decay: float, by: Levels, depth: int | None
) -> Iterator[tuple[str, float]]:
    backbone = getattr(module, "backbone", None)
    if layer_decay == 1.0 or not isinstance(backbone, Encoder):
        return
    levels = backbone.decay_groups() if by == "block" else backbone.stage_decay_groups()
    count = len(levels) if depth is None else depth + 1
    for i, names in enumerate(levels):
        for name in names:
            yield BACKBONE + name, layer_decay ** (count - i)


def build_optimizer(
    module: nn.Module, settings: OptimSettings, *, undecayed: frozenset[str] | None = None
) -> AdamW:
    """AdamW ("Decoupled Weight Decay Regularization", 2019) over the groups of `parameter_groups`.

    Args:
        module: The task.
        settings: Its settings.
        undecayed: As in `parameter_groups`; None asks now, by the rule of the settings.

    Returns:
        The optimiser; the head's parameters are in its last groups.

    Raises:
        ConfigError: Every parameter is frozen.
    """
    if undecayed is None:
        undecayed = undecayed_names(module, settings.no_decay)
    groups = parameter_groups(
        module,
        weight_decay=settings.weight_decay,
        layer_decay=settings.layer_decay,
        layer_decay_by=settings.layer_decay_by,
        layer_decay_depth=settings.layer_decay_depth,
        undecayed=undecayed,
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


@dataclass(frozen=True)
class Timeline:
    """The length of a training in optimiser steps.

    Attributes:
        total: Steps of the whole training.
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


def learning_rate(step: int, settings: OptimSettings, timeline: Timeline) -> float:
    """Learning rate of one iteration: linear warm-up, then half a cosine, steps or a power.

    The cosine follows "SGDR", 2017, equation 5, without restarts. The warm-up goes from
    `warmup_lr` at iteration 0 to `lr` at iteration `warmup`. The cosine, counted from there or from
    iteration 0 (`cosine_from`), ends at `min_lr` where the cool-down begins. "Poly" is the schedule
    of "DeepLab", Chen et al., 2016, section 4.1.2, as mmsegmentation's recipes have it: it falls
    from iteration 0 on, and in the warm-up a factor that rises from `warmup_lr / lr` multiplies it.

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
    if step < timeline.warmup:
        return settings.warmup_lr + (settings.lr - settings.warmup_lr) * step / timeline.warmup
    if settings.lr_schedule == "steps":
        passed = sum(step >= milestone for milestone in timeline.milestones)
        return max(settings.min_lr, settings.lr * settings.gamma**passed)
    start = timeline.warmup if settings.cosine_from == "warmup_end" else 0
    length = timeline.total - timeline.cooldown - start
    done = min(1.0, (step - start) / max(1, length))
    cosine = 0.5 * (1.0 + math.cos(math.pi * done))
    return settings.min_lr + (settings.lr - settings.min_lr) * cosine


def _poly(step: int, settings: OptimSettings, timeline: Timeline) -> float:
    length = max(1, timeline.total - timeline.cooldown)
    left = (1 - min(1.0, step / length)) ** settings.power
    rate = settings.min_lr + (settings.lr - settings.min_lr) * left
    if step >= timeline.warmup:
        return rate
    first = settings.warmup_lr / settings.lr
    return rate * (first + (1 - first) * step / timeline.warmup)


def build_schedule(optimizer: Optimizer, settings: OptimSettings, timeline: Timeline) -> LambdaLR:
    """The schedule of `learning_rate`, to be stepped after each optimiser step.

    Every group keeps its factor, in the warm-up and at the end too.
    """
    return LambdaLR(optimizer, lambda step: learning_rate(step, settings, timeline) / settings.lr)


def count_steps(trainer: Trainer, settings: OptimSettings) -> Timeline:
    """The length of the training that a trainer is about to run.

    Accumulation of gradients, `max_steps` and limits on the batches are taken into account.

    Args:
        trainer: The trainer, while it configures the optimisers.
        settings: The settings.

    Returns:
        The length; warm-up and cool-down together are no longer than the training.

    Raises:
        ConfigError: The training has no end, or what is stated in epochs has no length in steps.
    """
    total = trainer.estimated_stepping_batches
    if not math.isfinite(total) or total < 0:
        raise ConfigError(
            "the schedule needs the length of the training: set trainer.max_epochs or "
            "trainer.max_steps."
        )
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


# The options that are stated in epochs, each with the value that states nothing.
_NOT_IN_EPOCHS = {"warmup_epochs": 0, "cooldown_epochs": 0, "milestones": [], "lr_interval": "step"}


def counted_in_epochs(settings: OptimSettings) -> list[str]:
    """The settings whose place in a training depends on the steps of an epoch, as `name=value`."""
    values = {
        "warmup_epochs": settings.warmup_epochs if settings.warmup_steps is None else 0,
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
