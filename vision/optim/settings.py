"""Settings of the optimiser and its learning-rate schedule: `model.optim` of a config."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, get_args

from vision.errors import ConfigError
from vision.optim.names import OptimizerName, Option, check_optimizer
from vision.optim.weight_decay import NoDecay
from vision.options import Range, Ranges, check_number, check_ranges

Decay = Literal["cosine", "steps", "poly", "one_cycle", "constant", "plateau"]
CosineFrom = Literal["warmup_end", "start"]
Interval = Literal["step", "epoch"]
Scaling = Literal["lr", "all"]
WarmupTo = Literal["schedule", "lr"]
Levels = Literal["block", "stage"]

RANGES: Ranges = {
    "name": get_args(OptimizerName),
    "lr": Range(above=0),
    "weight_decay": Range(minimum=0),
    "betas": Range(minimum=0, below=1, length=2),
    "warmup_epochs": Range(minimum=0),
    "warmup_steps": Range(minimum=0, optional=True),
    "warmup_lr": Range(minimum=0),
    "warmup_to": get_args(WarmupTo),
    "lr_schedule": get_args(Decay),
    "gamma": Range(above=0, maximum=1),
    "power": Range(above=0),
    "peak": Range(above=0, below=1),
    "patience": Range(minimum=0),
    "cooldown_epochs": Range(minimum=0),
    "cosine_from": get_args(CosineFrom),
    "lr_interval": get_args(Interval),
    "lr_batch_size": Range(minimum=1, optional=True),
    "lr_scaling": get_args(Scaling),
    "backbone_lr": Range(above=0, maximum=1),
    "block_lr": Range(above=0, maximum=1),
    "layer_decay": Range(above=0, maximum=1),
    "layer_decay_by": get_args(Levels),
    "layer_decay_depth": Range(minimum=1, optional=True),
    "no_decay": get_args(NoDecay),
}
# Schedules that have no end at which the learning rate could stay at `min_lr`.
WITHOUT_COOLDOWN = ("one_cycle", "constant", "plateau")


@dataclass(frozen=True)
class OptimSettings:
    """Settings of the optimiser and its schedule.

    Attributes:
        lr: Learning rate at the end of the warm-up.
        min_lr: Learning rate at the end of the schedule; the lowest of "steps" and "plateau".
        weight_decay: Weight decay of every parameter that `no_decay` does not exempt.
        betas: Decay rates of the two moments of "adamw" and "adam", and of the AdamW beside
            "muon". The other optimisers have their own: `options.betas`.
        warmup_epochs: Length of the linear warm-up in epochs. Fractions are accepted, 0 leaves the
            warm-up out. "one_cycle" has a rise of its own instead.
        warmup_steps: Length of the linear warm-up in optimiser steps, in place of `warmup_epochs`;
            None uses `warmup_epochs`.
        warmup_lr: Learning rate of the first iteration of the warm-up.
        warmup_to: What the warm-up of "poly" rises to: "schedule", the falling rate, as in
            mmsegmentation, or "lr", so that the learning rate drops a little when the warm-up ends,
            as in DeepLab2. Other schedules begin at `lr`.
        lr_schedule: What follows the warm-up. "cosine" is half a cosine, "steps" a constant that
            is multiplied by `gamma` at each of the `milestones`, "poly" a power of what is left of
            the training, "constant" a constant. "one_cycle" rises by half a cosine up to `peak`
            and falls by half a cosine to the end. "plateau" is a constant that is multiplied by
            `gamma` when the task's main metric has not improved for more than `patience`
            validations.
        milestones: Epochs after which the learning rate is multiplied by `gamma`.
        gamma: Factor on the learning rate at each milestone or plateau.
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
        backbone_lr: Factor on the learning rate of the whole backbone, such as 0.1.
        block_lr: Factor on the learning rate of the blocks, in the backbone and after it:
            parameters with `blocks` as a part of their name in the published code.
        layer_decay: Factor on the learning rate per depth level of the backbone, from the last
            level to the stem. 1 trains all levels alike.
        layer_decay_by: What a depth level is: a "block" (or what the authors took for one), or a
            "stage", with the layers between the stages at the level of the stem.
        layer_decay_depth: Number of levels that are counted with stages: the last of four stages is
            `layer_decay_depth - 3` levels below the head. None counts the stages.
        no_decay: Parameters without weight decay: "vectors" (biases, norms, layer scales), "norms",
            "named_norms" (those whose name in the published code says so), "biases" alone, or
            "nothing". See `undecayed_names`.
        name: The optimiser: PyTorch's "adamw", "adam", "sgd" (with Nesterov momentum 0.9) and
            "muon"; "adamw_corrected_decay" (`vision.optim.corrected_decay`); or one of timm's, such
            as "lamb", "adan" or "lion". See `vision.optim.names`.
        options: Further options of the optimiser, such as `{momentum: 0.95}` for "sgd" or
            `{foreach: true}` for "adamw"; None leaves its own defaults, and fused steps where
            PyTorch has them (`vision.optim.fused`).
        peak: Share of the training at which "one_cycle" reaches `lr`.
        patience: Validations without improvement that "plateau" waits for.

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
    warmup_to: WarmupTo = "schedule"
    lr_schedule: Decay = "cosine"
    milestones: Sequence[float] = ()
    gamma: float = 0.1
    power: float = 1.0
    cooldown_epochs: float = 0.0
    cosine_from: CosineFrom = "warmup_end"
    lr_interval: Interval = "step"
    lr_batch_size: int | None = None
    lr_scaling: Scaling = "lr"
    backbone_lr: float = 1.0
    block_lr: float = 1.0
    layer_decay: float = 1.0
    layer_decay_by: Levels = "block"
    layer_decay_depth: int | None = None
    no_decay: NoDecay = "vectors"
    name: OptimizerName = "adamw"
    options: dict[str, Option] | None = None
    peak: float = 0.3
    patience: int = 10

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
        if self.warmup_steps and self.lr_interval == "epoch":
            raise ConfigError(
                f"warmup_steps={self.warmup_steps} with lr_interval='epoch': the learning rate "
                "changes at the start of an epoch only, so that all of the first one would be "
                f"trained at warmup_lr={self.warmup_lr:g}. Set lr_interval='step', or "
                "warmup_epochs."
            )
        if self.cooldown_epochs and self.lr_schedule in WITHOUT_COOLDOWN:
            raise ConfigError(
                f"cooldown_epochs={self.cooldown_epochs} has no place in lr_schedule="
                f"{self.lr_schedule!r}. Leave it out, or choose 'cosine'."
            )
        check_optimizer(self.name, self.options or {}, self.betas)

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
