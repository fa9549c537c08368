"""Weights that FSDP spreads over processes: each has a piece of a parameter, or none of it."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, distributed, nn

from vision.errors import ConfigError
from vision.optim.attached import attached_trainer
from vision.optim.fsdp2 import FullyShard, SpreadTask, local_part, reshard

# What wrappers put into the names of parameters.
_WRAPPERS = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def plain_name(name: str) -> str:
    """The name of a parameter in the unwrapped module."""
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def sharded_model(module: nn.Module) -> Any:
    """What FSDP or FSDP2 has put around a trainer's task; None where weights are whole."""
    model = getattr(getattr(attached_trainer(module), "strategy", None), "model", None)
    if model is None or isinstance(model, LightningModule):
        return None
    from torch.distributed.fsdp import FullyShardedDataParallel

    return model if isinstance(model, FullyShardedDataParallel | SpreadTask) else None


def refuse_other_sharding(module: LightningModule) -> None:
    """Raise an error where weights are spread by anything but the strategies fsdp and fsdp2.

    Averages, files of the model and resuming know where these two have put the weights.

    Args:
        module: A task that a trainer sets up.

    Raises:
        ConfigError: The strategy is another `ModelParallelStrategy`, or a parameter is spread.
    """
    strategy = module.trainer.strategy
    if isinstance(strategy, FullyShard):
        return
    spread = isinstance(strategy, ModelParallelStrategy)
    if not spread and distributed.is_available() and distributed.is_initialized():
        from torch.distributed.tensor import DTensor

        spread = any(isinstance(parameter, DTensor) for parameter in module.parameters())
    if spread:
        raise ConfigError(
            f"trainer.strategy={type(strategy).__name__}: weights that tensor parallelism or "
            "fully_shard by hand spread over processes are not supported, as averaged weights and "
            "the files of the model need them whole. Spread them by --trainer.strategy fsdp2 "
            "(vision.optim.fsdp2.FullyShard) or --trainer.strategy fsdp."
        )


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by the keys of the state dict, as this process has them.

    Whole tensors, or with FSDP pieces; writing to them changes the module.
    """
    model = sharded_model(module)
    if model is None:
        return module.state_dict()
    if isinstance(model, SpreadTask):
        reshard(model)
    tensors = {
        plain_name(name): local_part(parameter.detach())
        for name, parameter in module.named_parameters()
    }
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
    if isinstance(model, SpreadTask):
        reshard(model)
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
    if isinstance(model, SpreadTask):
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

        options = StateDictOptions(full_state_dict=True)
        set_model_state_dict(module, dict(tensors), options=options)
        return
    with model.summon_full_params(model, writeback=True):
        for name, tensor in own_tensors(module).items():
            tensor.copy_(tensors[name])
