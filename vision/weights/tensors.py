"""Check that the tensors of a file can be loaded into a model."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vision.errors import WeightsError


def check_tensors(state: Any, where: str) -> dict[str, Tensor]:
    """The tensors of a state dict: dense numbers in memory or in a mapped file, keyed by text.

    Args:
        state: What a file holds for a model.
        where: The file, for the error.

    Raises:
        WeightsError: It is not a mapping of text to tensors; or a tensor is sparse, quantised,
            complex, without data, or larger than its data in the file.
    """
    if not isinstance(state, Mapping):
        raise WeightsError(
            f"{where} holds a {type(state).__name__} in the place of its tensors, expected a "
            "mapping of names to tensors."
        )
    for key, tensor in state.items():
        fault = _fault(key, tensor)
        if fault:
            raise WeightsError(
                f"{where} cannot fill a model: {str(key)[:80]!r} {fault}. Save the state dict of "
                "the model, in plain dense tensors."
            )
    return dict(state)


def check_finite(state: Mapping[str, Tensor], where: str) -> None:
    """Check that no weight or buffer is infinite or not a number.

    Args:
        state: Tensor by key; integer tensors are skipped.
        where: The file, for the error.

    Raises:
        WeightsError: There are some.
    """
    bad = [key for key, tensor in state.items() if not _is_finite(tensor)]
    if not bad:
        return
    values = state[bad[0]]
    count = int(values.numel() - values.isfinite().sum())
    raise WeightsError(
        f"{where}: '{bad[0]}' has {count:,} of {values.numel():,} values that are infinite or not "
        f"a number ({len(bad)} of {len(state)} tensors have such). The training that wrote it had "
        "diverged: use an earlier checkpoint, or train again with a lower learning rate."
    )


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
        return True
    if tensor.element_size() == 1:  # float8, for which there are no comparisons
        tensor = tensor.float()
    # One pass without a temporary; a NaN becomes both minimum and maximum.
    return all(math.isfinite(bound) for bound in torch.stack(torch.aminmax(tensor)).tolist())


def _fault(key: Any, tensor: Any) -> str | None:
    if not isinstance(key, str):
        return f"is a {type(key).__name__}, not a name"
    if not isinstance(tensor, Tensor):
        return f"is a {type(tensor).__name__}, not a tensor"
    if tensor.layout is not torch.strided or tensor.is_nested:
        return f"is laid out as {tensor.layout}, not densely"
    if tensor.is_quantized or tensor.is_complex():
        return f"has values of type {tensor.dtype}, not real numbers"
    if tensor.is_meta:
        return "has a shape and no data"
    # Strides of 0 make one number of the file look like any number of them.
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"of shape {tuple(tensor.shape)} repeats a few numbers of the file"
    return None
