"""The optimiser of a task: the algorithm of the settings over the groups of its parameters."""

from lightning.pytorch import Trainer
from torch import nn
from torch.optim import Optimizer

from vision.errors import ConfigError
from vision.optim.attached import attached_trainer
from vision.optim.fused import SCALED, fused_by_default
from vision.optim.groups import hidden_matrices, parameter_groups
from vision.optim.muon import MATRICES
from vision.optim.names import ELEMENTWISE, create_optimizer
from vision.optim.settings import OptimSettings
from vision.optim.sharding import sharded_model
from vision.optim.weight_decay import undecayed_names


def build_optimizer(
    module: nn.Module, settings: OptimSettings, *, undecayed: frozenset[str] | None = None
) -> Optimizer:
    """The optimiser of the settings over the groups of `parameter_groups`.

    By default it is AdamW ("Decoupled Weight Decay Regularization", 2019), whose steps are fused
    where PyTorch can (`vision.optim.fused`).

    Args:
        module: The task.
        settings: Its settings.
        undecayed: As in `parameter_groups`; None asks now, by the rule of the settings.

    Returns:
        The optimiser; the head's parameters are in its last groups.

    Raises:
        ConfigError: Every parameter is frozen, or FSDP spreads parameters that the optimiser needs
            whole.
    """
    sharded = sharded_model(module) is not None
    if settings.name not in ELEMENTWISE and sharded:
        raise ConfigError(
            f"optim.name={settings.name!r} needs whole parameters, which trainer.strategy fsdp "
            f"spreads over processes. Choose one of {', '.join(sorted(ELEMENTWISE))}, or "
            "--trainer.strategy ddp."
        )
    if undecayed is None:
        undecayed = undecayed_names(module, settings.no_decay)
    muon = settings.name == "muon"
    groups = parameter_groups(
        module,
        weight_decay=settings.weight_decay,
        layer_decay=settings.layer_decay,
        layer_decay_by=settings.layer_decay_by,
        layer_decay_depth=settings.layer_decay_depth,
        backbone_lr=settings.backbone_lr,
        block_lr=settings.block_lr,
        undecayed=undecayed,
        matrices=hidden_matrices(module) if muon else frozenset(),
    )
    if not groups:
        raise ConfigError("there is nothing to train: every parameter of the task is frozen.")
    options = [
        {
            "params": group.parameters,
            "lr": settings.lr * group.lr_scale,
            "weight_decay": group.weight_decay,
            **({MATRICES: group.matrices} if muon else {}),
        }
        for group in groups
    ]
    own = dict(settings.options or {})
    trained = [parameter for group in groups for parameter in group.parameters]
    precision = getattr(attached_trainer(module), "precision", None)
    # Of pieces that FSDP spreads, states are gathered and loaded as PyTorch's own choice has them.
    if not sharded and fused_by_default(settings.name, own, trained, precision=precision):
        own["fused"] = True
    return create_optimizer(
        settings.name, options, lr=settings.lr, betas=settings.betas, options=own
    )


def check_precision(trainer: Trainer, settings: OptimSettings) -> None:
    """Raise a `ConfigError` if gradients are to be clipped that the optimiser itself unscales."""
    fused = bool((settings.options or {}).get("fused"))
    if fused and trainer.precision == SCALED and trainer.gradient_clip_val:
        raise ConfigError(
            "optim.options.fused unscales gradients within the step, so that they cannot be "
            f"clipped: leave it out, or trainer.gradient_clip_val={trainer.gradient_clip_val}, or "
            "choose --trainer.precision bf16-mixed."
        )
