"""Linear layers one after the other, which make boxes and the like of queries."""

from torch import Tensor, nn
from torch.nn import functional as F


class Perceptron(nn.Module):
    """Linear layers with ReLUs between them.

    Args:
        dim: Width between the layers.
        out_dim: Width of the output.
        depth: Number of layers.
        in_dim: Width of the input; None for the same as between the layers.
    """

    def __init__(self, dim: int, out_dim: int, *, depth: int, in_dim: int | None = None) -> None:
        super().__init__()
        widths = [in_dim or dim, *[dim] * (depth - 1), out_dim]
        self.layers = nn.ModuleList(nn.Linear(widths[i], widths[i + 1]) for i in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., in_dim)` to `(..., out_dim)`."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)
