"""Weights that FSDP shards: each process has a flat piece of a parameter, or none of it."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, distributed, nn

from vision.errors import ConfigError
from vision.optim.attached import attached_trainer

# What wrappers put into the names of parameters.
_WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def plain_name(name: str) -> str:
    """The name of a parameter in the unwrapped module."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def sharded_model(module: nn.Module) -> Any:
    """The FSDP module around a task in a trainer's hands; None where weights are whole."""
    model = getattr(getattr(attached_trainer(module), "strategy", None), "model", None)
    if model is None or isinstance(model, LightningModule):
        return None
    from torch.distributed.fsdp import FullyShardedDataParallel

    return model if isinstance(model, FullyShardedDataParallel) else None


def refuse_other_sharding(module: LightningModule) -> None:
    """Raise an error where weights are spread by FSDP2 (`fully_shard`) or tensor parallelism.

    Their parameters are `DTensor`s, of which averages, clipping and files of the model know
    nothing.

    Args:
        module: A task that a trainer sets up.

    Raises:
        ConfigError: The strategy is Lightning's `ModelParallelStrategy`, or a parameter is spread.
    """
    strategy = module.trainer.strategy
    spread = isinstance(strategy, ModelParallelStrategy)
    if not spread and distributed.is_available() and distributed.is_initialized():
        from torch.distributed.tensor import DTensor

        spread = any(isinstance(parameter, DTensor) for parameter in module.parameters())
    if spread:
        raise ConfigError(
            f"trainer.strategy={type(strategy).__name__}: weights that fully_shard (FSDP2) or "
            "tensor parallelism spreads over processes are not supported, as averaged weights, "
            "gradient clipping and the files of the model need them whole. Spread them by "
            "--trainer.strategy fsdp."
        )


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by the keys of the state dict, as this process has them.

    Whole tensors, or with FSDP flat pieces; writing to them changes the module.
    """
    if sharded_model(module) is None:
        return module.state_dict()
    tensors = {plain_name(name): p.detach() for name, p in module.named_parameters()}
    for prefix, part in module.named_modules():
        for name, buffer in part.named_buffers(prefix, recurse=False):
            # PyTorch has no public name for what a state dict leaves out, and one is gathered here.
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
