"""FSDP2: Lightning's strategy for `fully_shard`, applied to a task block by block."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, distributed, nn
from torch.optim import Optimizer

from vision.backbones.encoder import Encoder
from vision.errors import ConfigError

Root = TypeVar("Root", bound=nn.Module)
# By this name the trainer's option `strategy` knows it.
FSDP2 = "fsdp2"


class FullyShard(ModelParallelStrategy):
    """Spreads weights, gradients and optimiser state over all processes (FSDP2).

    Each block of the backbone gathers its weights when it computes, one block ahead, and forgets
    them; what surrounds the blocks (stem, neck, head) is one more unit. Checkpoints are single
    files with whole tensors, which runs on any number of processes resume. It runs on the CPU too.

    Args:
        process_group_backend: `"nccl"`, `"gloo"`; None chooses by the device.
        timeout: How long a process waits for the others.
    """

    def __init__(
        self,
        process_group_backend: str | None = None,
        timeout: timedelta = timedelta(minutes=30),
    ) -> None:
        super().__init__(
            save_distributed_checkpoint=False,
            process_group_backend=process_group_backend,
            timeout=timeout,
        )
        self._root: SpreadTask | None = None

    def setup_environment(self) -> None:
        """Connect the processes, all of which share the data."""
        self._data_parallel_size = self.num_nodes * self.num_processes
        self._tensor_parallel_size = 1
        super().setup_environment()

    def setup(self, trainer: Trainer) -> None:
        """Spread the weights of the task, unless they are already.

        Raises:
            ConfigError: The precision is float16, whose loss scale this is not made for, or another
                trainer has spread the weights.
        """
        if trainer.precision == "16-mixed":
            raise ConfigError(
                "--trainer.precision 16-mixed does not go with --trainer.strategy fsdp2. Choose "
                "bf16-mixed, or --trainer.strategy fsdp."
            )
        task = trainer.lightning_module
        trainer.accelerator.setup(trainer)
        if self._root is None or self._root.task is not task:
            _refuse_spread(task)
            self.model = self.precision_plugin.convert_module(task)
            self.model_to_device()
            self._root = spread(task, self.device_mesh["data_parallel"])
        self.model = self._root
        self.barrier()
        if trainer.state.fn == TrainerFn.FITTING:
            self.setup_optimizers(trainer)
        self.setup_precision_plugin()

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """Whole weights on the first process, by the names of the task; every process calls it."""
        with self._task_itself():
            # On the CPU what is not spread would share its memory with the model.
            state = super().lightning_module_state_dict()
            return {key: tensor.clone() for key, tensor in state.items()}

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The whole state of the optimiser on the first process; every process calls it."""
        with self._task_itself():
            return super().optimizer_state(optimizer)

    def load_checkpoint(self, *given: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint into weights and optimiser; every process calls it."""
        with self._task_itself():
            return super().load_checkpoint(*given, **options)

    @contextmanager
    def _task_itself(self) -> Iterator[None]:
        # The root would put its prefix before all names.
        root = self.model
        self.model = self.lightning_module
        if isinstance(root, SpreadTask):
            reshard(root)
        try:
            yield
        finally:
            self.model = root


class SpreadTask(nn.Module):
    """The root around a spread task, through whose `forward` Lightning calls the task's steps.

    `fully_shard` changes the class of what it is given, and the class of a task has a meaning.

    Args:
        task: The task.
    """

    def __init__(self, task: LightningModule) -> None:
        super().__init__()
        self.task = task

    def forward(self, *given: Any, **options: Any) -> Any:
        """Call the task, or the step that Lightning has put in its place."""
        return self.task(*given, **options)


@torch.no_grad()
def spread(task: LightningModule, mesh: Any) -> SpreadTask:
    """Spread the weights of a task over a mesh, beginning with those of the first process.

    Args:
        task: The task, on its device; its parameters become `DTensor`s.
        mesh: A `DeviceMesh` of one dimension.

    Returns:
        The root, to be called in place of the task.
    """
    for parameter in task.parameters():
        parameter.data = parameter.data.contiguous()  # fully_shard takes no other memory format
    for tensor in task.state_dict().values():
        distributed.broadcast(tensor, 0)
    return shard_units(SpreadTask(task), getattr(task, "backbone", None), mesh)


def _refuse_spread(task: LightningModule) -> None:
    from torch.distributed.tensor import DTensor

    if any(isinstance(parameter, DTensor) for parameter in task.parameters()):
        raise ConfigError(
            "another trainer has spread the weights of this task (strategy fsdp2), and they stay "
            "spread in its way. Go on with that trainer, or load its checkpoint into a new task."
        )


def shard_units(root: Root, backbone: Any, mesh: Any) -> Root:
    """Make a unit of FSDP2 of each block of a backbone, and one of all that surrounds them.

    Args:
        root: The whole model.
        backbone: The backbone in it; of one that is no `Encoder`, no blocks are known.
        mesh: A `DeviceMesh` of one dimension.

    Returns:
        The whole model.
    """
    from torch.distributed.fsdp import fully_shard

    if isinstance(backbone, Encoder):
        for name in unit_names(backbone):
            fully_shard(backbone.get_submodule(name), mesh=mesh)
    fully_shard(root, mesh=mesh)
    return root


def unit_names(backbone: Encoder) -> list[str]:
    """Names of the modules of a backbone that become a unit each: all blocks after the stem."""
    modules = dict(backbone.named_modules())
    named = [name for level in backbone.block_prefixes()[1:] for name in level]
    return [
        name for name in named if name in modules and any(True for _ in modules[name].parameters())
    ]


def reshard(root: nn.Module) -> None:
    """Forget gathered weights, which a unit keeps after a forward pass without a backward pass."""
    from torch.distributed.fsdp import FSDPModule

    for module in root.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def local_part(tensor: Tensor) -> Tensor:
    """What this process has of a tensor; writing to it changes a spread parameter."""
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
