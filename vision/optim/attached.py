"""The trainer that a module is attached to, if there is one."""

from typing import Any

from torch import nn


def attached_trainer(module: nn.Module) -> Any:
    """The trainer of a LightningModule; None without one, and for other modules."""
    try:
        return getattr(module, "trainer", None)
    except RuntimeError:  # Lightning's, if there is no trainer
        return None
