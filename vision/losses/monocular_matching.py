"""Which query stands for which object, in MonoDETR.

Letters: B images, G groups, Q queries of all groups, M places for objects, T pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.losses.set_matching import Pairs, assign_queries, class_cost
from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.monocular_predictions import MonocularPredictions, sides_to_corners
from vision.ops.monocular_targets import PaddedObjects
from vision.options import Range, check_ranges


@dataclass(frozen=True)
class MatchingCosts:
    """Weights of the costs of a pair.

    Attributes:
        classes: Of the focal loss of the object's class, less that of its absence.
        center: Of the distance |dx| + |dy| of the projected centres.
        sides: Of the sum of differences of the distances to the four sides.
        giou: Of the generalised intersection over union, the larger the better.

    Raises:
        ConfigError: A weight is negative.
    """

    classes: float = 2.0
    center: float = 10.0
    sides: float = 5.0
    giou: float = 2.0

    def __post_init__(self) -> None:
        check_ranges(vars(self), dict.fromkeys(vars(self), Range(minimum=0)), group="matching")


@torch.no_grad()
def match_queries(
    layers: Sequence[MonocularPredictions],
    objects: PaddedObjects,
    *,
    num_groups: int,
    costs: MatchingCosts,
) -> list[Pairs]:
    """Match the queries of each group with the objects one to one, at the smallest sum of costs.

    "End-to-End Object Detection with Transformers", Carion et al., 2020,
    https://arxiv.org/abs/2005.12872, section 3.1, in each group of "Group DETR", Chen et al., 2023,
    https://arxiv.org/abs/2207.13085. Objects beyond the number of queries of a group stay without.

    Args:
        layers: The predictions of each decoder layer.
        objects: The objects.
        num_groups: Number G of groups, which lie one after the other.
        costs: Weights of the costs.

    Returns:
        The pairs of all images and groups, of each layer.
    """
    found = [pair_costs(layer, objects, costs) for layer in layers]
    return assign_queries(found, objects.valid, num_groups=num_groups)


def pair_costs(
    predictions: MonocularPredictions, objects: PaddedObjects, costs: MatchingCosts
) -> Tensor:
    """The cost `(B, Q, M)` of each query for each place; that of empty places has no meaning."""
    boxes = at_least_float32(predictions["boxes"])[:, :, None]  # (B, Q, 1, 6)
    wanted = objects.boxes[:, None]  # (B, 1, M, 6)
    apart = (boxes - wanted).abs()
    giou = paired_giou(sides_to_corners(boxes), sides_to_corners(wanted))
    classes = class_cost(at_least_float32(predictions["logits"]))
    columns = objects.labels[:, None].expand(-1, classes.shape[1], -1)
    return (
        costs.classes * classes.gather(2, columns)
        + costs.center * apart[..., :2].sum(dim=-1)
        + costs.sides * apart[..., 2:].sum(dim=-1)
        - costs.giou * giou
    )
