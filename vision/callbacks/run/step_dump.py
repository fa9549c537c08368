"""Save a training step to a file, and replay it."""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn

from vision.files import replace_file
from vision.optim.fsdp2 import local_part
from vision.optim.sharding import sharded_model
from vision.weights.checkpoint_file import read_checkpoint

# Each file has the weights of the model.
MAX_FILES = 3


class Replayed(NamedTuple):
    """The result of a step.

    Attributes:
        loss: The loss, divided by the number of accumulated batches.
        terms: Its terms by name, each weighted.
        parameters: Names of the parameters whose gradient is not finite.
    """

    loss: float
    terms: dict[str, float]
    parameters: list[str]


def random_state(device: torch.device) -> dict[str, Tensor]:
    """State of PyTorch's generators, on the CPU and on the device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state(device)
    return states


def non_finite_gradients(module: nn.Module) -> list[str]:
    """Names of the parameters whose gradient is not finite, as far as this process has them."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is not None and not bool(local_part(parameter.grad).isfinite().all())
    ]


def save_step(
    folder: Path,
    trainer: Trainer,
    module: LightningModule,
    *,
    batch: Any,
    random: Mapping[str, Tensor],
    result: Replayed,
) -> Path | None:
    """Write the current training step: weights, batch, random state, and result.

    The file holds only tensors and plain values. A folder gets at most three such files. With
    FSDP, which spreads the weights over processes, it holds none of them.

    Args:
        folder: Folder of the run; created if absent.
        trainer: The trainer.
        module: The task, before its optimiser step.
        batch: Its input: normalised, augmented and mixed.
        random: The `random_state` when the step began.
        result: The result of the step.

    Returns:
        The file; None if there are three already.

    Raises:
        OSError: It cannot be written.
    """
    if len(list(folder.glob("non_finite_*.pt"))) >= MAX_FILES:
        return None
    whole = sharded_model(module) is None
    contents = {
        "epoch": trainer.current_epoch,
        "batch_index": trainer.fit_loop.epoch_loop.batch_idx,
        "step": trainer.global_step,
        "process": trainer.global_rank,
        "seed": getattr(module, "seed", None),
        "precision": str(trainer.precision),
        "accumulated": trainer.accumulate_grad_batches,
        "result": result._asdict(),
        "random": dict(random),
        "batch": _plain(batch),
        "state_dict": module.state_dict() if whole else None,
    }
    path = folder / f"non_finite_step_{trainer.global_step}_rank_{trainer.global_rank}.pt"
    replace_file(path, partial(torch.save, contents))
    return path


def replay_step(path: Path | str, module: LightningModule) -> Replayed:
    """Run a step of `save_step` again on the CPU: forward and backward pass, no optimiser step.

    Args:
        path: The file.
        module: The task as its config builds it; the file's weights are loaded into it.

    Returns:
        The result of the step; its gradients stay in the module.

    Raises:
        CheckpointError: The file cannot be read, or has no weights.
    """
    saved = read_checkpoint(Path(path))
    if saved["state_dict"] is not None:
        module.load_state_dict(saved["state_dict"])
    module.train()
    module.zero_grad(set_to_none=True)
    with _as_then(saved["random"]["cpu"]), _autocast(saved["precision"]):
        loss = module.training_step(saved["batch"], saved["batch_index"])
    loss = loss / saved["accumulated"]
    loss.backward()
    return Replayed(float(loss.detach()), loss_terms(module), non_finite_gradients(module))


def loss_terms(module: nn.Module) -> dict[str, float]:
    """The terms of a task's last training loss; empty for a module that keeps none."""
    return {name: float(term) for name, term in getattr(module, "loss_terms", {}).items()}


@contextmanager
def _as_then(state: Tensor) -> Iterator[None]:
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="You are trying to `self.log")
        torch.set_rng_state(state)
        yield


def _autocast(precision: str) -> AbstractContextManager[Any]:
    types = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    if precision not in types:
        return nullcontext()
    return torch.autocast("cpu", dtype=types[precision], cache_enabled=False)


def _plain(value: Any) -> Any:
    """A batch as tensors on the CPU, numbers, strings, lists and dicts; the rest by its name."""
    if isinstance(value, Tensor):
        # A view is saved without the rest of its storage.
        return value.detach().as_subclass(Tensor).to("cpu", copy=True).contiguous()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def is_finite(loss: Tensor, gradients: Sequence[Tensor]) -> bool:
    """Whether a loss and all gradients are finite; waits for the device, once if they are."""
    finite = torch.isfinite(loss.detach()).all()
    if not gradients:
        return bool(finite)
    if bool(finite & torch.isfinite(nn.utils.get_total_norm(gradients))):
        return True
    # The squares in a norm can overflow where no value does; a maximum is exact, and slow on a CPU.
    return bool(finite & torch.isfinite(nn.utils.get_total_norm(gradients, norm_type=math.inf)))
