"""Callbacks: progress, the summary of a run, pictures, tables of predictions. Resolved on use."""

import importlib
from typing import Any

_NAMES = {
    "ClassificationPictures": "vision.callbacks.pictures",
    "PredictionTable": "vision.callbacks.predictions",
    "Progress": "vision.callbacks.progress",
    "RunSummary": "vision.callbacks.summary",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
