"""The module that a config imports."""

import importlib

import pytest

pytest.importorskip("mmseg", reason="mmsegmentation is not installed")


def test_importing_it_registers_the_backbones() -> None:
    importlib.import_module("vision.interop.mmseg_backbones")
    from mmseg.registry import MODELS

    assert MODELS.get("vision.TNT").__name__ == "TNT"
