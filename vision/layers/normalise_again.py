"""Batch norms that are computed once more, where their result was not kept."""

from torch import Tensor, nn
from torch.nn import functional as F


def can_normalise_again(norm: nn.Module) -> bool:
    """Whether `normalise_again` knows the norm; it does not know those that talk to processes."""
    return isinstance(norm, nn.BatchNorm2d | nn.Identity)


def normalise_again(norm: nn.Module, x: Tensor) -> Tensor:
    """The result of a batch norm once more, bit for bit, without moving its averages.

    Args:
        norm: A batch norm, in the mode in which it was called, or the identity.
        x: `(B, C, H, W)`, what it was called with.
    """
    if not isinstance(norm, nn.BatchNorm2d):
        return x
    mean, variance = norm.running_mean, norm.running_var
    of_batch = norm.training or mean is None
    if of_batch:
        mean = variance = None
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, of_batch, 0.0, norm.eps)
