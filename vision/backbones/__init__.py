"""Backbones: images in, feature pyramids out. Classes resolve on first use."""

import importlib
from typing import Any

from vision.backbones.registry import FAMILIES, create_backbone, list_backbones

_CLASSES = {path.partition(":")[2]: path.partition(":")[0] for path in FAMILIES.values()}
_CLASSES |= {"Backbone": "vision.backbones.base", "TimmBackbone": "vision.backbones.timm"}

__all__ = ["create_backbone", "list_backbones", *sorted(_CLASSES)]


def __getattr__(name: str) -> Any:
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
