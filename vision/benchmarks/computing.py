"""How a benchmark of models computes, and how often: what all of them are given."""

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

DType = Literal["float32", "bfloat16", "float16"]
DTYPES: tuple[DType, ...] = get_args(DType)


@dataclass(frozen=True, kw_only=True)
class Computing:
    """Settings that all benchmarks of models share.

    Attributes:
        rounds: Measured steps of each side.
        warmup: Steps before them.
        threads: Threads of PyTorch.
        device: Where to compute.
        dtype: What both sides compute in; other than `"float32"` it is autocast's. Outputs are
            compared without it.
    """

    rounds: int
    warmup: int
    threads: int
    device: str
    dtype: DType = "float32"

    @property
    def place(self) -> torch.device:
        """The device."""
        return torch.device(self.device)

    def autocast(self, device_type: str | None = None) -> AbstractContextManager[Any]:
        """The context in which a forward pass runs.

        Args:
            device_type: Of the pass; by default that of the device.
        """
        if self.dtype == "float32":
            return contextlib.nullcontext()
        return torch.autocast(device_type or self.place.type, getattr(torch, self.dtype))
