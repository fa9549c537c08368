"""Training a part of a task alone: the rest is frozen, its norms and dropout at rest."""

from typing import Literal

from torch import nn

from vision.backbones.encoder import Encoder
from vision.errors import ConfigError

FrozenStages = Literal["all"] | int | None


def require_encoder(backbone: nn.Module, option: str) -> Encoder:
    """The backbone, if it is one that names its blocks.

    Raises:
        ConfigError: It is another module.
    """
    if not isinstance(backbone, Encoder):
        raise ConfigError(
            f"{option} needs a backbone that names its blocks, which a {type(backbone).__name__} "
            "does not: derive it from vision.backbones.Encoder, or leave the option out."
        )
    return backbone


def freeze_backbone(backbone: nn.Module, frozen_stages: FrozenStages) -> None:
    """Take parameters of a backbone out of training.

    Args:
        backbone: The backbone.
        frozen_stages: `"all"` for all of it (a linear probe), or the number of stages to freeze
            besides the stem: 0 is the stem alone. None freezes nothing.

    Raises:
        ConfigError: There are not as many stages, or the backbone is no `Encoder`.
    """
    if frozen_stages is None:
        return
    groups = require_encoder(backbone, "frozen_stages").stage_groups()
    if frozen_stages != "all":
        if not isinstance(frozen_stages, int) or not 0 <= frozen_stages < len(groups):
            raise ConfigError(
                f"frozen_stages={frozen_stages!r} must be 'all', or a number of stages from 0 "
                f"(the stem) to {len(groups) - 1}: as many has this {type(backbone).__name__}."
            )
        groups = groups[: frozen_stages + 1]
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
