"""mmsegmentation's datasets, to compare with; such tests are skipped where it is not installed."""

import importlib
from types import ModuleType

import pytest

from vision.mmcv.operators import provide_operators


def load() -> ModuleType:
    """Its module `mmseg.datasets`."""
    pytest.importorskip("mmseg")
    provide_operators()
    return importlib.import_module("mmseg.datasets")
