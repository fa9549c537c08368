"""The stand-in for mmcv's extension: what it offers, when, and what it says."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from helpers.refusals import refuses
from torch import Tensor, nn

from vision.errors import ConfigError, MissingPackageError
from vision.mmcv import boxes as mmcv_boxes
from vision.mmcv import kernels as mmcv_kernels
from vision.mmcv import operators as mmcv_operators
from vision.mmcv.operators import EXTENSION, Operators, import_models, provide_operators

has_mmcv = pytest.mark.skipif(
    importlib.util.find_spec("mmcv") is None, reason="mmcv-lite is not installed"
)


def loaded_names() -> set[str]:
    """Operators that the files of mmcv.ops load, read from their source."""
    folder = Path(importlib.util.find_spec("mmcv").origin).parent / "ops"
    names = set()
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "load_ext":
                names |= set(ast.literal_eval(node.args[1]))
    return names


@has_mmcv
def test_offers_what_mmcv_loads_and_computes_nothing_else() -> None:
    names, operators = loaded_names(), Operators()
    assert len(names) > 100
    assert all(callable(getattr(operators, name)) for name in names)
    assert mmcv_boxes.KERNELS.keys() | mmcv_kernels.KERNELS.keys() <= names


def test_an_operator_without_a_kernel_names_itself() -> None:
    with refuses(ConfigError, "'carafe_forward'", "mmcv==2.1.0"):
        Operators().carafe_forward(1, up=2)
    assert not hasattr(Operators(), "__path__")


@has_mmcv
def test_importing_vision_provides_nothing() -> None:
    code = f"""
import importlib.util, sys
import vision.mmcv.operators as operators
assert "mmcv" not in sys.modules and "{EXTENSION}" not in sys.modules
operators.provide_operators()
first = sys.modules["{EXTENSION}"]
operators.provide_operators()
assert sys.modules["{EXTENSION}"] is first and importlib.util.find_spec("{EXTENSION}")
print("fine")
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["fine"], result.stderr


@has_mmcv
def test_the_extension_of_mmcv_itself_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ModuleType(EXTENSION)
    monkeypatch.setitem(sys.modules, EXTENSION, own)
    provide_operators()
    assert sys.modules[EXTENSION] is own


@has_mmcv
def test_an_extension_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, EXTENSION, raising=False)
    monkeypatch.setattr(mmcv_operators.importlib.util, "find_spec", lambda name: object())
    real = mmcv_operators.importlib.import_module

    def fail(name: str) -> ModuleType:
        if name == EXTENSION:
            raise ImportError("undefined symbol: _ZN3c10")
        return real(name)

    monkeypatch.setattr(mmcv_operators.importlib, "import_module", fail)
    with refuses(MissingPackageError, "undefined symbol", "PyTorch"):
        provide_operators()


@has_mmcv
@pytest.mark.parametrize("version", ["1.7.2", "2.2.0", "3.0.0rc1"])
def test_another_version_of_mmcv(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import mmcv

    monkeypatch.delitem(sys.modules, EXTENSION, raising=False)
    monkeypatch.setattr(mmcv, "__version__", version)
    with pytest.raises(MissingPackageError, match=rf"mmcv {version} is.*2\.1\.0 only.*\[mmseg\]"):
        provide_operators()
    assert EXTENSION not in sys.modules


@pytest.mark.parametrize("absent", ["mmcv", "mmseg.models", "ftfy"])
def test_a_package_is_missing(absent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        if name == absent or (name, absent) == ("mmseg.models", "ftfy"):
            raise ModuleNotFoundError(f"No module named {absent!r}", name=absent)
        return FakePackage(name)

    class FakePackage(ModuleType):
        __version__ = "2.1.0"

    monkeypatch.delitem(sys.modules, EXTENSION, raising=False)
    monkeypatch.setattr(mmcv_operators.importlib, "import_module", fail)
    monkeypatch.setattr(mmcv_operators.importlib.util, "find_spec", lambda name: None)
    try:
        with pytest.raises(MissingPackageError, match=rf"'{absent}'.*\[mmseg\]"):
            import_models("mmseg")
    finally:
        sys.modules.pop(EXTENSION, None)


@pytest.mark.skipif(importlib.util.find_spec("mmseg") is None, reason="mmseg is not installed")
def test_mmseg_models_can_be_imported_and_used() -> None:
    models = import_models("mmseg")
    head = models.decode_heads.FCNHead(in_channels=4, channels=4, num_classes=3)
    assert isinstance(head, nn.Module)
    from mmcv.ops import nms

    assert nms.__module__ == "mmcv.ops.nms"
    boxes = Tensor([[0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 30, 30]])
    _, kept = nms(boxes, Tensor([0.3, 0.9, 0.5]), 0.5)
    assert kept.tolist() == [1, 2]
