"""Gradients of two functions, to compare operators of mmcv with others."""

from collections.abc import Callable

import torch
from torch import Tensor


def gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Result and the gradients of a weighted sum of it."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    result = function(*leaves)
    weights = torch.linspace(-1, 2, result.numel(), dtype=result.dtype).view_as(result)
    return [result.detach(), *torch.autograd.grad((result * weights).sum(), leaves)]


def assert_same(first: list[Tensor], second: list[Tensor]) -> None:
    for a, b in zip(first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
