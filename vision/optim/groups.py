"""Parameter groups: weight decay, learning rates by depth, and the matrices of Muon."""

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from vision.backbones.encoder import Encoder
from vision.optim.settings import Levels
from vision.optim.sharding import plain_name
from vision.optim.weight_decay import undecayed_names
from vision.weights.names.published_names import published_names

BACKBONE = "backbone."
# Parts of the names of parameters within blocks, in the published code or in ours.
BLOCKS = ("block", "blocks")


@dataclass
class ParameterGroup:
    """Parameters that share a learning rate, a weight decay and an algorithm.

    Attributes:
        lr_scale: Factor on the learning rate.
        weight_decay: Weight decay.
        names: Parameter names within the task.
        parameters: The parameters, in the order of `names`.
        matrices: Whether they are matrices that Muon trains.
    """

    lr_scale: float
    weight_decay: float
    names: list[str]
    parameters: list[nn.Parameter]
    matrices: bool = False


def parameter_groups(
    module: nn.Module,
    *,
    weight_decay: float,
    layer_decay: float = 1.0,
    layer_decay_by: Levels = "block",
    layer_decay_depth: int | None = None,
    backbone_lr: float = 1.0,
    block_lr: float = 1.0,
    undecayed: frozenset[str] | None = None,
    matrices: frozenset[str] = frozenset(),
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
        backbone_lr: Factor on the learning rate of the backbone, besides that of each level.
        block_lr: Factor on the learning rate of the blocks, before and behind the backbone's end,
            besides the others.
        undecayed: What `undecayed_names` gave when the task was built: FSDP flattens every
            parameter. None asks now, by the rule "vectors".
        matrices: Names of the parameters that Muon trains, which are in groups of their own.

    Returns:
        The groups by rising learning rate: the stem first, the head last.
    """
    scales = dict(_lr_scales(module, layer_decay, layer_decay_by, layer_decay_depth))
    if undecayed is None:
        undecayed = undecayed_names(module, "vectors")
    blocks = frozenset() if block_lr == 1.0 else block_names(module)
    groups: dict[tuple[float, float, bool], ParameterGroup] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = scales.get(name, 1.0) * (backbone_lr if name.startswith(BACKBONE) else 1.0)
        scale *= block_lr if plain_name(name) in blocks else 1.0
        decay = 0.0 if plain_name(name) in undecayed else weight_decay
        key = (scale, -decay, name not in matrices)
        new = ParameterGroup(scale, decay, [], [], matrices=name in matrices)
        group = groups.setdefault(key, new)
        group.names.append(name)
        group.parameters.append(parameter)
    return [groups[key] for key in sorted(groups)]


def block_names(module: nn.Module) -> frozenset[str]:
    """Names of the parameters with a part `block` or `blocks` in their name in the published code.

    Args:
        module: The task.
    """
    published = published_names(module).items()
    return frozenset(ours for ours, theirs in published if {*BLOCKS} & {*theirs.split(".")})


def hidden_matrices(module: nn.Module) -> frozenset[str]:
    """Names of the matrices between the input and the head of a task, which Muon trains.

    They are the parameters of two dimensions outside the child `head`, but for embeddings and the
    tables that a direct child names in `no_weight_decay()`, such as those of positions.
    """
    tables = undecayed_names(module, "vectors")
    embeddings = {
        f"{prefix}.weight"
        for prefix, part in module.named_modules()
        if isinstance(part, nn.Embedding)
    }
    return frozenset(
        name
        for name, parameter in module.named_parameters()
        if parameter.ndim == 2
        and not name.startswith("head.")
        and name not in tables
        and name not in embeddings
    )


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
