"""vision: train, evaluate and ship vision models on PyTorch Lightning.

Importing this package costs little more than importing torch; everything else resolves on use.
"""

import importlib
from typing import Any

from vision.version import __version__

_FUNCTIONS = {
    "create_backbone": "vision.backbones.registry",
    "list_backbones": "vision.backbones.registry",
    "load_weights": "vision.weights.load",
}
_MODULES = ("backbones", "data", "heads", "losses", "tasks", "weights")

__all__ = ["__version__", *_FUNCTIONS, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(_FUNCTIONS[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"vision.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
