"""Backbones: images in, or volumes, feature pyramids out. Classes resolve on first use."""

from vision.backbones.registry import FAMILIES, create_backbone, list_backbones
from vision.lazy import lazy_names

_MODULES = {row.path.partition(":")[2]: row.path.partition(":")[0] for row in FAMILIES.values()}
_MODULES |= {"Backbone": "vision.backbones.base", "Encoder": "vision.backbones.encoder"}
_MODULES |= {"TimmBackbone": "vision.backbones.timm"}

__all__ = ["create_backbone", "list_backbones", *sorted(_MODULES)]

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
