"""Numbers of the program as tensors of a device."""

from collections.abc import Sequence

import torch
from torch import Tensor


def values_like(
    like: Tensor, values: Sequence[float] | Sequence[int], dtype: torch.dtype | None = None
) -> Tensor:
    """A few numbers as a tensor on the device of another, without waiting for the device.

    `Tensor.new_tensor` and `torch.tensor(..., device=...)` wait until a GPU has done all that it
    was given before.

    Args:
        like: Gives the device, and the type.
        values: The N numbers.
        dtype: Another type.

    Returns:
        `(N,)`.
    """
    made = torch.tensor(values, dtype=dtype or like.dtype, device="cpu")
    return made.to(like.device, non_blocking=True)
