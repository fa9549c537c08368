"""Use mmsegmentation's heads here and our backbones there, without compiling anything.

- `MMSegHead` and `MMSegLoss`: any decode head and loss of mmsegmentation in our tasks.
- `register_backbones`: our backbones in configs of mmsegmentation, as `type="vision.CSWin"`.
- `provide_operators`: run mmsegmentation and mmdetection on mmcv-lite.
"""

import importlib
import importlib.util
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vision.heads.segmentation.mmseg import MMSegHead, MMSegLoss
from vision.mmcv.operators import import_models, provide_operators

__all__ = [
    "MMSegHead",
    "MMSegLoss",
    "allow_resume",
    "provide_operators",
    "register_backbones",
]

SCOPE = "vision"


def register_backbones() -> None:
    """Register our backbones with mmengine, so that configs of mmsegmentation can name them.

    The types are `vision.Swin`, `vision.CSWin`, `vision.CvT`, `vision.TNT`, `vision.RMT`,
    `vision.HorNet`, `vision.ConvNeXt` and `vision.Timm`; `vision.interop.mmseg_modules` has their
    options. A config file registers them by itself with
    `custom_imports = dict(imports=["vision.interop.mmseg_backbones"])`. Calling this twice changes
    nothing.

    Raises:
        MissingPackageError: mmsegmentation or what it needs is not installed.
    """
    import_models("mmseg")
    from mmengine.registry import MODELS, Registry

    from vision.interop.mmseg_modules import BACKBONES

    registry = MODELS.children.get(SCOPE)
    if registry is None:
        # An own registry makes "vision." a scope, like "mmdet.".
        registry = Registry("model", parent=MODELS, scope=SCOPE)
    for name, backbone in BACKBONES.items():
        if name not in registry:
            registry.register_module(name=name, module=backbone)


@contextmanager
def allow_resume() -> Iterator[None]:
    """Let mmengine resume its own checkpoints with PyTorch 2.6 and later.

    mmengine 0.10.7 calls `torch.load` with its default, which since PyTorch 2.6 only allows tensors
    and plain values; the checkpoints of its Runner also hold its loss history. Within this context
    the history and its arrays are allowed too: `with allow_resume(): runner.train()`. Nothing else
    is, so that no code in a file runs.

    Raises:
        MissingPackageError: mmengine is not installed.
    """
    provide_operators()
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    # NumPy's module with the functions that rebuild arrays; before 2.0 it was numpy.core.
    old = importlib.util.find_spec("numpy._core") is None
    multiarray: Any = importlib.import_module("numpy.core" if old else "numpy._core").multiarray
    allowed: list[Any] = [np.dtype, np.ndarray, multiarray._reconstruct, multiarray.scalar]
    allowed += [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4")]

    def method_of_history(owner: object, name: str) -> Any:
        """Stands for `getattr` in the file: allows only the history's own methods."""
        if owner is not HistoryBuffer or name not in ("min", "max", "current", "mean"):
            raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r}) is not allowed")
        return getattr(HistoryBuffer, name)

    allowed += [HistoryBuffer, (method_of_history, "builtins.getattr")]
    with torch.serialization.safe_globals(allowed):
        yield
