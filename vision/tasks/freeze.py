"""Freeze parts of a task, with their norms and dropout in evaluation mode."""

from typing import Literal

from torch import nn

from vision.backbones.encoder import Encoder
from vision.errors import ConfigError

FrozenStages = Literal["all"] | int | None
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def require_encoder(backbone: nn.Module, option: str) -> Encoder:
    """Check that a backbone is an `Encoder`, and return it.

    Raises:
        ConfigError: It is not an `Encoder`.
    """
    if not isinstance(backbone, Encoder):
        raise ConfigError(
            f"{option} needs a backbone that names its blocks, which a {type(backbone).__name__} "
            "does not: derive it from vision.backbones.Encoder, or leave the option out."
        )
    return backbone


def freeze_backbone(backbone: nn.Module, frozen_stages: FrozenStages) -> None:
    """Freeze parameters of a backbone.

    Args:
        backbone: The backbone.
        frozen_stages: `"all"` for all of it (a linear probe), or the number of stages to freeze
            besides the stem: 0 freezes only the stem. None freezes nothing.

    Raises:
        ConfigError: There are fewer stages, or the backbone is not an `Encoder`.
    """
    if frozen_stages is None:
        return
    groups = require_encoder(backbone, "frozen_stages").stage_groups()
    if frozen_stages != "all":
        if not isinstance(frozen_stages, int) or not 0 <= frozen_stages < len(groups):
            raise ConfigError(
                f"frozen_stages={frozen_stages!r} must be 'all', or a number of stages from 0 "
                f"(the stem) to {len(groups) - 1} for a {type(backbone).__name__}."
            )
        groups = groups[: frozen_stages + 1]
    for names in groups:
        for name in names:
            backbone.get_parameter(name).requires_grad_(False)


def freeze_norms(backbone: nn.Module) -> None:
    """Freeze every batch norm of a backbone, as detectors with small batches do.

    Raises:
        ConfigError: There is none.
    """
    norms = [module for module in backbone.modules() if isinstance(module, BATCH_NORMS)]
    if not norms:
        raise ConfigError(
            f"frozen_norms=True keeps batch norms as they are, and a {type(backbone).__name__} has "
            "none: leave it out."
        )
    for norm in norms:
        norm.requires_grad_(False)


def rest_frozen_parts(module: nn.Module) -> None:
    """Put every fully frozen part of a module into evaluation mode.

    Running statistics then stay fixed, and dropout is off.
    """
    frozen = [not parameter.requires_grad for parameter in module.parameters()]
    if frozen and all(frozen):
        module.eval()
    elif any(frozen):
        for child in module.children():
            rest_frozen_parts(child)
