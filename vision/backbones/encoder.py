"""The interface of all encoders for the optimiser and for freezing, for any kind of input."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from vision.contracts.features import FeatureSpec, VolumeSpec
from vision.errors import ConfigError
from vision.layers.compiled_blocks import CompiledBlocks
from vision.layers.lean import Lean, set_lean

MemoryMode = Literal["fast", "lean", "checkpoint"]
Context = AbstractContextManager[None]
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
# A parameter's name up to the number of its stage: stages.1, model.layer1, model.layers_1.
_STAGE = re.compile(r"(.*\.)?(stage|layer)s?[._]?\d+(?=\.)")


class Encoder(nn.Module, ABC):
    """Base of networks that turn an input into features: images, volumes or points.

    Attributes:
        family: Name of the architecture; chooses the weight conversion in `vision.weights`.
        feature_specs: Channels and stride of each map of features, finest first.
        grad_checkpointing: Whether blocks are recomputed in the backward pass.
        runs_blocks: Whether it calls its blocks by `run_block`, so that they can be compiled.
    """

    family: ClassVar[str]
    runs_blocks: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.feature_specs: tuple[FeatureSpec | VolumeSpec, ...] = ()
        self.grad_checkpointing = False
        self._compiled: CompiledBlocks | None = None

    @abstractmethod
    def block_prefixes(self) -> list[list[str]]:
        """Parameter-name prefixes of each depth level, stem first; `layer_groups` expands them."""

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that the authors exempt from weight decay.

        One-dimensional parameters (biases, norms, layer scales) are always exempt and not listed.
        """
        return set()

    def decayed_vectors(self) -> set[str]:
        """Names of the one-dimensional parameters that decay in the authors' code nevertheless."""
        return set()

    def layer_groups(self) -> list[list[str]]:
        """Parameter names by depth, stem first, each name exactly once.

        Used by freezing and by layer-wise learning-rate decay. Names that no prefix of
        `block_prefixes` covers (final and output norms) belong to the last group.
        """
        levels = self.block_prefixes()
        groups: list[list[str]] = [[] for _ in levels]
        for name, _ in self.named_parameters():
            owners = (i for i, level in enumerate(levels) if _starts_with_any(name, level))
            groups[next(owners, len(levels) - 1)].append(name)
        return [group for group in groups if group]

    def decay_groups(self) -> list[list[str]]:
        """Parameter names by level for layer-wise learning-rate decay, stem first.

        The authors' grouping where they published one, otherwise one level per block. A level of
        theirs may be empty; names that are left out get the rate of the layers after the backbone.
        """
        return self.layer_groups()

    def stage_decay_groups(self) -> list[list[str]]:
        """Parameter names by level for stage-wise learning-rate decay: the stem, then each stage.

        The authors' grouping where they published one, as for `decay_groups`.
        """
        return self.stage_groups()

    def stage_groups(self) -> list[list[str]]:
        """Parameter names of the stem and of each stage after it, each name exactly once.

        Each block of a network without stages counts as a stage.
        """
        stem, *levels = self.layer_groups()
        groups, last = [stem], None
        for i, names in enumerate(levels):
            found = [match.group() for name in names if (match := _STAGE.match(name))]
            stage = found[-1] if found else str(i)
            if stage == last:
                groups[-1] = groups[-1] + names
            else:
                groups.append(names)
            last = stage
        return groups

    def set_memory(self, mode: MemoryMode) -> None:
        """Choose what the forward pass keeps for the backward pass.

        Args:
            mode: `"fast"` keeps what is used again; `"lean"` makes cheap things again (see
                `vision.layers.lean`); `"checkpoint"` keeps the inputs of blocks alone, and computes
                each block once more.

        Raises:
            ConfigError: Nothing in this encoder has a lean form.
        """
        if mode == "lean" and not any(isinstance(part, Lean) for part in self.modules()):
            raise ConfigError(
                f"a {type(self).__name__} has no parts that can keep less: memory is 'checkpoint' "
                "to recompute its blocks, or 'fast'."
            )
        self.grad_checkpointing = mode == "checkpoint"
        set_lean(self, mode == "lean")

    def set_grad_checkpointing(self, enabled: bool = True) -> None:
        """Recompute each block in the backward pass, or keep what is used again."""
        self.set_memory("checkpoint" if enabled else "fast")

    def compile_blocks(self) -> None:
        """Compile one block of each kind when it is first called; others of the kind use it."""
        self._compiled = CompiledBlocks()

    @property
    def compiles_blocks(self) -> bool:
        """Whether blocks are compiled by themselves."""
        return self._compiled is not None

    def run_block(self, block: nn.Module, *inputs: Any) -> Any:
        """Call a block: compiled if asked for, recomputed in the backward pass if checkpointed."""
        call = block if self._compiled is None else partial(self._compiled, block)
        if self.grad_checkpointing and torch.is_grad_enabled():
            contexts = partial(_contexts, block)
            return checkpoint(call, *inputs, use_reentrant=False, context_fn=contexts)
        return call(*inputs)


def _contexts(block: nn.Module) -> tuple[Context, Context]:
    """Contexts of the first and of the second computation of a block."""
    return nullcontext(), _averages_at_rest(block)


@contextmanager
def _averages_at_rest(block: nn.Module) -> Iterator[None]:
    """Keep batch norms from counting a batch twice in their averages."""
    kept = [
        (part, part.momentum, part.num_batches_tracked, part.num_batches_tracked.clone())
        for part in block.modules()
        if isinstance(part, BATCH_NORMS) and part.training
        if part.num_batches_tracked is not None
    ]
    for norm, _, _, _ in kept:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, counter, before in kept:
            norm.momentum = momentum
            counter.copy_(before)


def _starts_with_any(name: str, prefixes: Iterable[str]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)
