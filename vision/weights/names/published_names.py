"""Names of the parameters of a model in the authors' code."""

from torch import nn

from vision.weights.names import dino, kmax, mmdet, mmseg
from vision.weights.names.families import family_module

BACKBONE = "backbone."


def published_names(module: nn.Module) -> dict[str, str]:
    """The name of each parameter in the published code, by ours.

    Backbones have the names of their authors' code, necks and heads the names of mmdetection,
    mmsegmentation, kMaX-DeepLab's and DINO's code. Unpublished parameters keep our name, as does
    the last part of the name of a layer that is several layers there, or a part of one.

    Args:
        module: A task, whose parts are `backbone`, `neck`, `head` and `auxiliary`.
    """
    parameters = dict(module.named_parameters())
    inner = {k.removeprefix(BACKBONE): p for k, p in parameters.items() if k.startswith(BACKBONE)}
    rest = {k: p for k, p in parameters.items() if not k.startswith(BACKBONE)}
    family = getattr(getattr(module, "backbone", None), "family", None)
    table = family_module(family).TABLES.get("official") if family else None
    named = {BACKBONE + k: p for k, p in (table.names_of(inner) if table else inner).items()}
    if kmax.is_mask_transformer(rest):
        named |= kmax.write(rest)
    elif dino.is_head(rest):
        named |= dino.names_of(rest)
    else:
        named |= mmdet.write(rest) if mmdet.is_detector(rest) else mmseg.write(rest)
    theirs = {id(parameter): name for name, parameter in named.items()}
    return {name: theirs.get(id(parameter), name) for name, parameter in parameters.items()}
