"""Callbacks: progress, run summary, pictures, tables of predictions. Imported on first use."""

from vision.kinds import CALLBACKS
from vision.lazy import lazy_names

_MODULES = {
    "Environment": "vision.callbacks.run.environment",
    "Progress": "vision.callbacks.run.progress",
    "RunSummary": "vision.callbacks.run.summary",
    "TrainBatches": "vision.callbacks.run.train_batches",
    "TrainingCurves": "vision.callbacks.run.curves",
    **{name: path.partition(":")[0] for name, path in CALLBACKS.items()},
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
