"""What a decoder layer of MonoDETR predicts from its queries.

Letters: D width, Q queries, K classes, A bins of angles.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Bins of the observation angle, 30 degrees each.
ANGLE_BINS = 12
# Probability of every class before training.
PRIOR_PROBABILITY = 0.01
# Sides of boxes before training: sigmoid(-2), 0.12 of the image, from the projected centre.
SIDE_BIAS = -2.0


class Perceptron(nn.Module):
    """Linear layers with ReLUs between them.

    Args:
        dim: Width of the input and between the layers.
        out_dim: Width of the output.
        depth: Number of layers.
    """

    def __init__(self, dim: int, out_dim: int, *, depth: int) -> None:
        super().__init__()
        widths = [dim] * depth + [out_dim]
        self.layers = nn.ModuleList(nn.Linear(widths[i], widths[i + 1]) for i in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(..., dim)` to `(..., out_dim)`."""
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class LayerPredictions(nn.Module):
    """One network per property of an object.

    "MonoDETR", Zhang et al., 2023, https://arxiv.org/abs/2203.13310.

    Args:
        dim: Width D.
        num_classes: Number K of classes.
        first: Whether this is the first layer, whose boxes need a size to begin with.
    """

    def __init__(self, dim: int, *, num_classes: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.classes = nn.Linear(dim, num_classes)
        # Change of (x, y, left, right, top, bottom), before the sigmoid.
        self.boxes = Perceptron(dim, 6, depth=3)
        # Height, width and length in metres.
        self.sizes = Perceptron(dim, 3, depth=2)
        # The depth by a code, and the logarithm of its Laplace scale.
        self.depth = Perceptron(dim, 2, depth=2)
        # Logits of the bins of angles, and the angle from the middle of each.
        self.angles = Perceptron(dim, 2 * ANGLE_BINS, depth=2)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as published: rare classes, boxes of a quarter of the image."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        nn.init.constant_(self.classes.bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))
        if self.first:
            last = self.boxes.layers[-1]
            assert isinstance(last, nn.Linear), "it is one of a list of such layers"
            nn.init.constant_(last.bias[2:], SIDE_BIAS)


def refine(references: Tensor, change: Tensor) -> Tensor:
    """Move points or boxes, in the space before the sigmoid.

    Args:
        references: float `(B, Q, 2)` points or `(B, Q, 6)` boxes, in [0, 1].
        change: float `(B, Q, 6)`; to a point it also gives its size.

    Returns:
        float `(B, Q, 6)` boxes (x, y, left, right, top, bottom) in (0, 1).
    """
    known = inverse_sigmoid(references)
    return (F.pad(known, (0, change.shape[-1] - known.shape[-1])) + change).sigmoid()


def inverse_sigmoid(x: Tensor) -> Tensor:
    """Logits of shares in [0, 1]; those nearer than 1e-5 to an end are as far from it."""
    low, high = x.clamp(min=1e-5, max=1), (1 - x).clamp(min=1e-5, max=1)
    return torch.log(low / high)
