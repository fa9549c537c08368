"""FSDP on the CPU, for tests: PyTorch and Lightning both mean it for accelerators alone."""

from typing import Any
from unittest.mock import patch

import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn import Module


class CpuFsdp(FSDPStrategy):
    """Lightning's strategy, with the processes of gloo."""

    def __init__(self) -> None:
        super().__init__(process_group_backend="gloo")

    def _setup_model(self, model: Module) -> Any:
        real = FullyShardedDataParallel.__init__

        def on_cpu(self: Module, *args: Any, **options: Any) -> None:
            real(self, *args, **{**options, "device_id": torch.device("cpu")})

        with patch.object(FullyShardedDataParallel, "__init__", on_cpu):
            return super()._setup_model(model)
