"""Weights that FSDP spreads over processes: each has a flat piece of a parameter, or none of it."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

# What wrappers put into the names of parameters.
_WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def plain_name(name: str) -> str:
    """The name of a parameter in the unwrapped module."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def sharded_model(module: nn.Module) -> Any:
    """The FSDP module around a task in a trainer's hands; None where weights are whole."""
    trainer = getattr(module, "_trainer", None)
    model = getattr(getattr(trainer, "strategy", None), "model", None)
    if model is None or isinstance(model, LightningModule):
        return None
    from torch.distributed.fsdp import FullyShardedDataParallel

    return model if isinstance(model, FullyShardedDataParallel) else None


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by the keys of the state dict, as this process has them.

    Whole tensors, or with FSDP flat pieces; writing to them changes the module.
    """
    if sharded_model(module) is None:
        return module.state_dict()
    tensors = {plain_name(name): p.detach() for name, p in module.named_parameters()}
    for prefix, part in module.named_modules():
        for name, buffer in part.named_buffers(prefix, recurse=False):
            if name.rpartition(".")[2] not in part._non_persistent_buffers_set:
                tensors[plain_name(name)] = buffer
    return tensors


def drop_gathered(module: nn.Module) -> None:
    """Make FSDP forget weights that it has gathered and kept: the pieces are about to change.

    After a forward pass without a backward pass, as in validation, it would use them once more.
    """
    model = sharded_model(module)
    if model is None:
        return
    # FSDP has no public function for this; summon_full_params keeps what was gathered before it.
    from torch.distributed.fsdp._runtime_utils import _reshard

    for part in model.fsdp_modules(model):
        if part._handle is not None and part._handle.uses_sharded_strategy:
            _reshard(part, part._handle, True)


@torch.no_grad()
def write_whole(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Write whole tensors into a task whose weights are spread; every process must call this."""
    model = sharded_model(module)
    drop_gathered(module)
    with model.summon_full_params(model, writeback=True):
        for name, tensor in own_tensors(module).items():
            tensor.copy_(tensors[name])
