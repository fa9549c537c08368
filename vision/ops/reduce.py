"""Numbers that the processes of a distributed run share."""

import torch
from torch import Tensor, distributed


@torch.no_grad()
def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of the values of all processes; every process must call this.

    A loss that is divided by the mean number of positives, and whose gradients are averaged, is the
    loss of the whole batch: the processes weigh as much as they have positives.

    Args:
        values: Any shape, floating point, the same on every process.

    Returns:
        The same shape, without a gradient; a copy where there is only one process.
    """
    values = values.clone()
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(values)
        values /= distributed.get_world_size()
    return values
