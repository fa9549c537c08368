"""Tasks: LightningModules of backbone, head, losses and metrics. Classes resolve on first use."""

from vision.kinds import TASKS
from vision.lazy import lazy_names

_MODULES = {
    "BaseTask": "vision.tasks.base",
    "ClassTask": "vision.tasks.classes",
    "ImageTask": "vision.tasks.image",
    **{name: path.partition(":")[0] for name, path in TASKS.items()},
}

__all__ = [*_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
