"""What decoder layers of DINO predict from their queries.

Letters: B images, D width, Q queries, K classes.
"""

import math

from torch import Tensor, nn

from vision.layers.perceptron import Perceptron
from vision.ops.boxes import at_least_float32
from vision.ops.references import refine

# Probability of every class before training.
PRIOR_PROBABILITY = 0.01
# Nearest that a side of a reference may be to 0 or 1 before it is changed.
EPS = 1e-3


class QueryHeads(nn.Module):
    """A linear layer for classes and a perceptron for boxes, shared by all layers or one for each.

    Args:
        dim: Width D.
        num_classes: Number K of classes.
        depth: Number of layers.
        share_classes: Whether all layers have the same one for classes.
        share_boxes: The same for boxes.
    """

    def __init__(
        self, dim: int, *, num_classes: int, depth: int, share_classes: bool, share_boxes: bool
    ) -> None:
        super().__init__()
        self.classes = nn.ModuleList(
            nn.Linear(dim, num_classes) for _ in range(1 if share_classes else depth)
        )
        self.boxes = nn.ModuleList(
            Perceptron(dim, 4, depth=3) for _ in range(1 if share_boxes else depth)
        )
        self.reset_parameters()

    def logits(self, layer: int, queries: Tensor) -> Tensor:
        """Class logits `(B, Q, K)` of the queries `(B, Q, D)` of a layer."""
        return self.classes[layer % len(self.classes)](queries)

    def refine(self, layer: int, queries: Tensor, references: Tensor) -> Tensor:
        """Boxes `(B, Q, 4)` that the queries `(B, Q, D)` of a layer make of their references."""
        change = at_least_float32(self.boxes[layer % len(self.boxes)](queries))
        return refine(references, change, eps=EPS)

    def reset_parameters(self) -> None:
        """Initialise as published: rare classes, boxes as their references."""
        for classes in self.classes:
            reset_classes(classes)
        for boxes in self.boxes:
            reset_boxes(boxes)


def reset_classes(layer: nn.Module) -> None:
    """Initialise a linear layer so that every class is as likely as `PRIOR_PROBABILITY`."""
    assert isinstance(layer, nn.Linear), "classes are read by one layer"
    layer.reset_parameters()
    nn.init.constant_(layer.bias, -math.log((1 - PRIOR_PROBABILITY) / PRIOR_PROBABILITY))


def reset_boxes(perceptron: nn.Module) -> None:
    """Initialise a perceptron so that it changes nothing."""
    assert isinstance(perceptron, Perceptron), "boxes are made by one"
    for layer in perceptron.layers:
        assert isinstance(layer, nn.Linear), "a perceptron has linear layers"
        layer.reset_parameters()
    last = perceptron.layers[-1]
    assert isinstance(last, nn.Linear), "a perceptron has linear layers"
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
