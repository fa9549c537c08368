"""Training a part of a task alone: the rest is frozen, its norms and dropout at rest."""

from typing import Literal

from torch import nn

from vision.backbones.base import Backbone
from vision.errors import ConfigError

Freeze = Literal["backbone"] | int | None


def freeze_backbone(backbone: Backbone, freeze: Freeze) -> None:
    """Take parameters of a backbone out of training.

    Args:
        backbone: The backbone.
        freeze: `"backbone"` for all of it (a linear probe), or the number of stages to freeze
            besides the stem: 0 is the stem alone. None freezes nothing.

    Raises:
        ConfigError: There are not as many stages.
    """
    if freeze is None:
        return
    groups = backbone.stage_groups()
    if freeze != "backbone":
        if not isinstance(freeze, int) or not 0 <= freeze < len(groups):
            raise ConfigError(
                f"freeze={freeze!r} must be 'backbone', or a number of stages from 0 (the stem "
                f"alone) to {len(groups) - 1}: as many has this {type(backbone).__name__}."
            )
        groups = groups[: freeze + 1]
    for names in groups:
        for name in names:
            backbone.get_parameter(name).requires_grad_(False)


def rest_frozen_parts(module: nn.Module) -> None:
    """Put every part of a module whose parameters are all frozen into evaluation mode.

    Running statistics then stay as they are, and nothing is dropped.
    """
    frozen = [not parameter.requires_grad for parameter in module.parameters()]
    if frozen and all(frozen):
        module.eval()
    elif any(frozen):
        for child in module.children():
            rest_frozen_parts(child)
