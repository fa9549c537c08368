"""The two-layer feed-forward network of transformer blocks."""

from collections.abc import Callable

from torch import Tensor, nn


class Mlp(nn.Module):
    """Linear, activation, linear, on the last axis.

    Args:
        dim: Width of the input and output.
        hidden_dim: Width between the two layers.
        act_layer: Builds the activation.
        dropout: Probability of dropping a value after each layer.
    """

    def __init__(
        self,
        dim: int,
        *,
        hidden_dim: int,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.act = act_layer()
        self.fc2 = nn.Linear(hidden_dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` `(..., D)` to the same shape."""
        x = self.dropout(self.act(self.fc1(x)))
        return self.dropout(self.fc2(x))
