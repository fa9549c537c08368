"""What a decoder layer of MonoDETR predicts from its queries.

Letters: D width, Q queries, K classes, A bins of angles.
"""

import math

from torch import nn

from vision.layers.perceptron import Perceptron

# Bins of the observation angle, 30 degrees each.
ANGLE_BINS = 12
# Probability of every class before training.
PRIOR_PROBABILITY = 0.01
# Sides of boxes before training: sigmoid(-2), 0.12 of the image, from the projected centre.
SIDE_BIAS = -2.0


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
