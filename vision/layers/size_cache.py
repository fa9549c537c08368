"""Constants that depend on the size of a map, made once per size."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Self

import torch
from torch import Tensor

from vision.ops.tracing import is_traced


class SizeCache:
    """Keeps the tensors (masks, indices, decays) that a model derives from map sizes.

    Eager mode computes each entry once. While compiling or exporting, entries are computed in the
    graph instead: a cache lookup there would make one graph per size.

    The entries are neither parameters nor buffers: ranks of a distributed run see different image
    sizes, and buffers that differ in number or shape would hang its buffer synchronisation. They
    are left out of state dicts, copies and pickles. `maximum` bounds them in multi-scale training.

    Args:
        maximum: Number of entries kept; the least recently used one is dropped first.
    """

    def __init__(self, maximum: int = 64) -> None:
        self.maximum = maximum
        self._entries: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable, build: Callable[[], Tensor]) -> Tensor:
        """Return the tensor of `key`, building it if it is not there.

        Args:
            key: All that the tensor depends on: name, sizes, device and dtype.
            build: Makes the tensor; called without gradient tracking.
        """
        if is_traced():
            return build()
        entry = self._entries.get(key)
        if entry is None:
            # A tensor made in inference mode could not take part in a later training step.
            with torch.inference_mode(False), torch.no_grad():
                entry = build()
            self._entries[key] = entry
            if len(self._entries) > self.maximum:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(key)
        return entry

    def __len__(self) -> int:
        return len(self._entries)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return type(self)(self.maximum)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.maximum,)
