"""The two-layer feed-forward network of transformer blocks."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from vision.layers.lean import Lean, call_lean


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
        if self.keeps_less() and not (self.training and self.dropout.p > 0):
            return self._forward_lean(x, norm, scale)
        x = x if norm is None else norm(x)
        x = self.dropout(self.act(self.fc1(x)))
        x = self.dropout(self.fc2(x))
        return x if scale is None else x * scale

    def _forward_lean(self, x: Tensor, norm: nn.Module | None, scale: Tensor | None) -> Tensor:
        hidden = self.fc1(x) if norm is None else call_lean(self.fc1, lambda: norm(x))
        if scale is None:
            return call_lean(self.fc2, lambda: self.act(hidden))
        # A scale of the weights, not of the result: that need not be kept for the scale's gradient.
        bias = self.fc2.bias * scale
        return call_lean(
            lambda x, weight: F.linear(x, weight, bias),
            lambda: self.act(hidden),
            lambda: self.fc2.weight * scale[:, None],
        )
