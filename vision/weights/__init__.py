"""Weights: published key names to ours, and loading them with a report of what happened."""

import importlib
from typing import Any

_NAMES = {
    "LoadReport": "vision.weights.load",
    "load_weights": "vision.weights.load",
    "published_options": "vision.weights.published",
    "read_state_dict": "vision.weights.read",
}

__all__ = [*_NAMES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
