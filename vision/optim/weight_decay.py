"""Which parameters have no weight decay: the rules of published recipes."""

from collections.abc import Iterator
from typing import Literal

from torch import nn

from vision.weights.names.published_names import published_names

NoDecay = Literal["vectors", "norms", "named_norms", "biases", "nothing"]
_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.GroupNorm, nn.LayerNorm),
)


def undecayed_names(module: nn.Module, rule: NoDecay) -> frozenset[str]:
    """Names of the parameters that have no weight decay.

    Under every rule but "nothing" these are among them: what a direct child names in
    `no_weight_decay()`, such as tables of positions.

    Args:
        module: The task; its backbone is the child `backbone`.
        rule: "vectors", as in timm: all numbers and vectors, which are biases, norms and layer
            scales, but for the `decayed_vectors()` of a direct child. "named_norms", mmcv's rule
            of names: those in whose name "norm" occurs in the published code; the batch norms of
            heads are "bn" there, and decay. "norms", mmcv's `norm_decay_mult`: scale and shift of
            every norm besides. "biases": those alone, in whose last name "bias" occurs. "nothing".
    """
    if rule == "nothing":
        return frozenset()
    names = set(_of_children(module, "no_weight_decay"))
    if rule == "vectors":
        vectors = {name for name, p in module.named_parameters() if p.ndim <= 1}
        return frozenset(names | vectors - set(_of_children(module, "decayed_vectors")))
    if rule == "biases":
        biases = {n for n, _ in module.named_parameters() if "bias" in n.rpartition(".")[2]}
        return frozenset(names | biases)
    names |= {ours for ours, theirs in published_names(module).items() if "norm" in theirs}
    if rule == "norms":
        for prefix, part in module.named_modules():
            if isinstance(part, _NORMS):
                names |= {name for name, _ in part.named_parameters(prefix)}
    return frozenset(names)


def _of_children(module: nn.Module, method: str) -> Iterator[str]:
    for prefix, child in module.named_children():
        yield from (f"{prefix}.{name}" for name in getattr(child, method, set)())
