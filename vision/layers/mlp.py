"""The two-layer feed-forward network of transformer blocks."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from vision.layers.lean import Lean


class Mlp(Lean):
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

    def forward(
        self, x: Tensor, *, norm: nn.Module | None = None, scale: Tensor | None = None
    ) -> Tensor:
        """Map `x` `(..., D)` to the same shape.

        Args:
            x: The input.
            norm: Normalises the input, if there is a norm.
            scale: A factor on each channel of the result, `(D,)`.
        """
        hidden = self.fc1(x) if norm is None else self.run_layer(self.fc1, partial(norm, x))
        if self.training and self.dropout.p > 0:
            result = self.dropout(self.fc2(self.dropout(self.act(hidden))))
            return result if scale is None else result * scale
        return self.run_scaled(self.fc2, partial(self.act, hidden), scale)
