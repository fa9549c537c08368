"""Callbacks: progress, the summary of a run, pictures, tables of predictions. Resolved on use."""

from vision.lazy import lazy_names

_MODULES = {
    "ClassificationPictures": "vision.callbacks.pictures",
    "PredictionTable": "vision.callbacks.predictions",
    "Progress": "vision.callbacks.progress",
    "RunSummary": "vision.callbacks.summary",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
