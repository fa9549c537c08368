"""Datasets and their LightningDataModules. Names resolve on first use."""

import importlib
from typing import Any

_NAMES = {
    "DataModule": "vision.data.base",
    "Digits": "vision.data.digits",
    "ImageFolder": "vision.data.image_folder",
    "read_image": "vision.data.images",
}

__all__ = sorted(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
