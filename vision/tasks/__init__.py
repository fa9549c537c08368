"""Tasks: LightningModules of backbone, head, losses and metrics. Classes resolve on first use."""

import importlib
from typing import Any

_NAMES = {
    "BaseTask": "vision.tasks.base",
    "Classification": "vision.tasks.classification",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
