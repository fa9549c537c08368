"""vision: train, evaluate and ship vision models on PyTorch Lightning.

Importing this package costs little more than importing torch; everything else resolves on use.
"""

from vision.lazy import lazy_names
from vision.version import __version__

_MODULES = {
    "create_backbone": "vision.backbones.registry",
    "list_backbones": "vision.backbones.registry",
    "load": "vision.predict.load",
    "load_backbone": "vision.predict.published",
    "load_weights": "vision.weights.load",
    "without_chatter": "vision.quiet",
    **{
        name: f"vision.{name}"
        for name in (
            *("backbones", "callbacks", "data", "heads", "interop", "losses", "metrics", "necks"),
            *("tasks", "weights"),
        )
    },
}

__all__ = ["__version__", *_MODULES]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
