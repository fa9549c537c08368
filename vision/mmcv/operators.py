"""Make mmsegmentation and mmdetection importable without mmcv's compiled operators.

mmsegmentation 1.2.2 and mmdetection 3.3.0 import `mmcv.ops`, which loads more than a hundred
operators from the extension `mmcv._ext`. mmcv 2.1.0, the newest version that they accept, does not
build with current PyTorch, and mmcv-lite, the same code as a plain wheel, has no extension.
`provide_operators` puts a module in its place: the operators that the models of both use are
computed by `vision.mmcv.boxes` and `vision.mmcv.kernels`; the others raise an error when called.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from vision.errors import ConfigError, MissingPackageError
from vision.extras import install_line

EXTENSION = "mmcv._ext"
EXTRA = "mmseg"
# Versions that mmsegmentation 1.2.2 and mmdetection 3.3.0 accept: first included, second excluded.
VERSIONS = ((2, 0), (2, 2))


class Operators(ModuleType):
    """Replaces the extension of mmcv.

    It has every public name, since mmcv's version decides which operators `mmcv.ops` loads; a name
    without a kernel is a function that raises `ConfigError`.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION, __doc__)
        # With a spec, find_spec and pkgutil answer for a module that has no file.
        self.__spec__ = ModuleSpec(EXTENSION, None)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(f"module {EXTENSION!r} has no attribute {name!r}")
        # Only now: a part that only checks for mmcv needs no torchvision.
        from vision.mmcv import boxes as mmcv_boxes
        from vision.mmcv import kernels as mmcv_kernels

        kernels = mmcv_boxes.KERNELS | mmcv_kernels.KERNELS
        return kernels.get(name) or _missing_operator(name)


def provide_operators() -> None:
    """Let `import mmcv.ops`, and so `import mmseg.models` and `mmdet.models`, succeed.

    Where mmcv's own extension is installed, it is used. Calling this twice changes nothing.

    Raises:
        MissingPackageError: mmcv or mmengine is not installed, mmsegmentation does not accept the
            version of mmcv, or its extension cannot be loaded.
    """
    if EXTENSION in sys.modules:
        return
    mmcv = _import("mmcv")
    _import("mmengine")
    _check_version(mmcv.__version__)
    if importlib.util.find_spec(EXTENSION) is None:
        sys.modules[EXTENSION] = Operators()
        return
    try:
        importlib.import_module(EXTENSION)
    except ImportError as error:
        raise MissingPackageError(
            f"The compiled operators of mmcv {mmcv.__version__} cannot be loaded ({error}): they "
            "were built for another PyTorch. Build them again, or do without: "
            f"pip uninstall mmcv && {install_line(EXTRA)}"
        ) from error


def import_models(package: str) -> ModuleType:
    """Import the models of an OpenMMLab package, which puts them in its registry.

    Args:
        package: `"mmseg"` or `"mmdet"`.

    Returns:
        The module `<package>.models`.

    Raises:
        MissingPackageError: As `provide_operators`, or the package or one that it needs is absent.
    """
    provide_operators()
    return _import(f"{package}.models")


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{name} needs the package {error.name!r}, which is not installed: "
            f"{install_line(EXTRA)}"
        ) from error


def _check_version(version: str) -> None:
    first, last = VERSIONS
    release = tuple(int(part) for part in version.split(".")[:2])
    if not first <= release < last:
        raise MissingPackageError(
            f"mmcv {version} is installed, and mmsegmentation 1.2.2 accepts 2.0.0 to 2.1.0 only. "
            f"Replace it: pip uninstall mmcv mmcv-lite && {install_line(EXTRA)}"
        )


def _missing_operator(name: str) -> Callable[..., Any]:
    def operator(*_: object, **__: object) -> None:
        raise ConfigError(
            f"The operator {name!r} of mmcv exists only as compiled code, and mmcv-lite has none. "
            "Choose a model without it, or build full mmcv in the place of mmcv-lite with a "
            "PyTorch that it supports: pip uninstall mmcv-lite && pip install --no-build-isolation "
            "mmcv==2.1.0 'setuptools<82'"
        )

    operator.__name__ = name
    return operator
