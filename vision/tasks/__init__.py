"""Tasks: LightningModules of backbone, head, losses and metrics. Classes resolve on first use."""

from vision.lazy import lazy_names

_MODULES = {
    "BaseTask": "vision.tasks.base",
    "ClassTask": "vision.tasks.classes",
    "Classification": "vision.tasks.classification",
    "Detection": "vision.tasks.detection",
    "ImageTask": "vision.tasks.image",
    "Segmentation": "vision.tasks.segmentation",
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
