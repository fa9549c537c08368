"""Build a module without initialising its tensors, which are all about to be loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from torch import nn
from torch.overrides import TorchFunctionMode

Module = TypeVar("Module", bound=nn.Module)


def build_unfilled(build: Callable[[], Module]) -> Module:
    """Call a constructor with `torch.nn.init` switched off, so that tensors stay uninitialised.

    Drawing initial values takes up to half of the time of loading a model. Some functions of
    `torch.nn.init` cannot be left out, and still fill.

    Args:
        build: Builds the module, all of whose parameters and saved buffers are then loaded.
    """
    with _NoInitialValues():
        return build()


class _NoInitialValues(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)
