"""Stochastic depth ("Deep Networks with Stochastic Depth", 2016)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zero the whole branch of a sample with probability `rate` in training, and rescale the rest.

    Args:
        rate: Probability of dropping, in [0, 1).
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate
        self._drops = rate != 0.0
        # A compiled program may be shared by blocks of different rates: there the share that is
        # kept is an input. A number would be a constant.
        self._keep = torch.tensor(1.0 - rate, device="cpu")

    def forward(self, x: Tensor) -> Tensor:
        """Drop samples of `x` `(B, ...)` along the first axis; the identity in evaluation."""
        if not self.training or not self._drops:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        if torch.compiler.is_compiling():
            kept = torch.rand(shape, device=x.device) < self._keep
            return x * (kept / self._keep).to(x.dtype)
        keep = 1.0 - self.rate
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)

    def extra_repr(self) -> str:
        """Show the rate in the module's printout."""
        return f"rate={self.rate:g}"


def drop_path_rates(rate: float, depths: Sequence[int]) -> list[list[float]]:
    """Rates that rise linearly from 0 at the first block to `rate` at the last, per stage.

    Args:
        rate: Rate of the last block.
        depths: Number of blocks of each stage.

    Returns:
        One list per stage, one rate per block.
    """
    # Always on the CPU, so that a model builds under torch.device("meta").
    rates = torch.linspace(0, rate, sum(depths), device="cpu").tolist()
    stages = []
    for depth in depths:
        stages.append(rates[:depth])
        rates = rates[depth:]
    return stages
