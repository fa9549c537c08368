"""Layer normalisation over the channels of a map."""

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
