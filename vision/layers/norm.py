"""Layer normalisation over the channels of a map, and batch norms that are computed again."""

from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.LayerNorm):
    """Normalise each position of an NCHW map over its channels (biased variance).

    It works on the channels-last view of the map, so that a map in `channels_last` memory is
    normalised without a copy.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `x` `(B, C, H, W)` and keep its shape."""
        x = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)  # (B, C, H, W)


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
