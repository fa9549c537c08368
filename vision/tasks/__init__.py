"""Tasks: LightningModules of backbone, head, losses and metrics. Classes resolve on first use."""

from vision.lazy import lazy_names

_MODULES = {
    "BaseTask": "vision.tasks.base",
    "Classification": "vision.tasks.classification",
    "Detection": "vision.tasks.detection",
    "Segmentation": "vision.tasks.segmentation",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
