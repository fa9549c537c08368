"""How often a training step waits for its device, counted on a simulated one."""

import warnings

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from vision.benchmarks.simulated_device import DEVICE, Waits, simulated_device
from vision.benchmarks.small_steps import STEPS, take_step
from vision.callbacks.run.step_dump import is_finite

CHECK = "check of the loss"
WAITING: tuple[str, ...] = (*STEPS, CHECK)
Counts = dict[str, float]


def count_waits(name: str) -> Counts:
    """Waits of a step of `WAITING`, by what is waited for.

    Args:
        name: Its name.

    Returns:
        How often numbers are read, lengths of lists are read, and numbers of ordinary memory are
        written to the device, which waits for it.
    """
    found = waits_of_check() if name == CHECK else waits_of_step(name)
    return {
        "numbers read": found.count("read"),
        "lengths read": found.count("size"),
        "numbers written": found.count("write"),
    }


def waits_of_step(name: str) -> Waits:
    """What a step waits for, from the augmentation to the gradients."""
    with simulated_device() as waits, warnings.catch_warnings():
        # Of a task that logs without a trainer.
        warnings.filterwarnings("ignore", message="You are trying to `self.log")
        task, batch = STEPS[name]()
        task.to(DEVICE).train()
        batch = tree_map_only(Tensor, lambda x: x.to(DEVICE), batch)
        waits.found.clear()
        take_step(task, batch)
    return waits


def waits_of_check() -> Waits:
    """What the check waits for that stops a run whose loss or gradient is not finite."""
    with simulated_device() as waits:
        layer = nn.Linear(3, 2).to(DEVICE)
        loss = layer(torch.ones(1, 3, device=DEVICE)).sum()
        loss.backward()
        waits.found.clear()
        is_finite(loss, [p.grad for p in layer.parameters() if p.grad is not None])
    return waits
