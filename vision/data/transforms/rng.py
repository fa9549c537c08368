"""Random numbers of one sample."""

import math
from collections.abc import Iterator

import numpy as np
import torch

# Enough for a crop, a flip and two operators of RandAugment in nearly all samples.
BLOCK = 32


class SampleRng:
    """Random numbers from PyTorch's global CPU generator, taken from it in blocks.

    A call into PyTorch costs as much for a block as for a single number. An instance serves one
    sample, so that each sample depends only on the generator's state.
    """

    def __init__(self) -> None:
        self._numbers: Iterator[float] = iter(())

    def unit(self) -> float:
        """A number in [0, 1)."""
        for number in self._numbers:
            return number
        self._numbers = iter(torch.rand(BLOCK, dtype=torch.float64).tolist())
        return next(self._numbers)

    def uniform(self, low: float, high: float) -> float:
        """A number between `low` and `high`."""
        return low + (high - low) * self.unit()

    def below(self, count: int) -> int:
        """One of the integers from 0 to `count - 1`."""
        return int(self.unit() * count)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def subset(self, count: int) -> list[int]:
        """Some of the integers from 0 to `count - 1` in random order, uniformly none to all."""
        order = np.argsort([self.unit() for _ in range(count)])
        return order[: self.below(count + 1)].tolist()

    def other(self, place: int, count: int) -> int:
        """An integer from 0 to `count - 1` that is not `place`, unless it is the only one."""
        return (place + 1 + self.below(count - 1)) % count if count > 1 else place

    def normal(self, mean: float, std: float) -> float:
        """A normally distributed number (Box and Muller, 1958)."""
        radius = math.sqrt(-2 * math.log(1 - self.unit()))
        return mean + std * radius * math.cos(2 * math.pi * self.unit())
