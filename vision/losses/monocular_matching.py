"""Which query stands for which object, in MonoDETR.

Letters: B images, G groups, Q queries of all groups, M places for objects, T pairs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import at_least_float32, paired_giou
from vision.ops.monocular_predictions import MonocularPredictions, sides_to_corners
from vision.ops.monocular_targets import PaddedObjects
from vision.options import Range, check_ranges

# Of the focal loss in the cost of classes.
ALPHA, GAMMA = 0.25, 2.0


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


@dataclass(frozen=True)
class Pairs:
    """Queries and their objects.

    Attributes:
        image: int64 `(T,)`.
        query: int64 `(T,)`, ascending within an image.
        place: int64 `(T,)` of the object among the targets of the image.
    """

    image: Tensor
    query: Tensor
    place: Tensor

    def of_queries(self, values: Tensor) -> Tensor:
        """The rows `(T, ...)` of the queries, of values `(B, Q, ...)`."""
        return values[self.image, self.query]

    def of_objects(self, values: Tensor) -> Tensor:
        """The rows `(T, ...)` of the objects, of values `(B, M, ...)`."""
        return values[self.image, self.place]


@torch.no_grad()
def match_queries(
    predictions: MonocularPredictions,
    objects: PaddedObjects,
    *,
    num_groups: int,
    costs: MatchingCosts,
) -> Pairs:
    """Match the queries of each group with the objects one to one, at the smallest sum of costs.

    "End-to-End Object Detection with Transformers", Carion et al., 2020,
    https://arxiv.org/abs/2005.12872, section 3.1, in each group of "Group DETR", Chen et al., 2023,
    https://arxiv.org/abs/2207.13085. Objects beyond the number of queries of a group stay without.

    Args:
        predictions: Of one decoder layer.
        objects: The objects.
        num_groups: Number G of groups, which lie one after the other.
        costs: Weights of the costs.

    Returns:
        The pairs of all images and groups.
    """
    from scipy.optimize import linear_sum_assignment

    # What is not a number is for the loss to show.
    cost = pair_costs(predictions, objects, costs).nan_to_num(nan=0.0).cpu().numpy()
    per_group = cost.shape[1] // num_groups
    rows: list[tuple[int, int, int]] = []
    for image, count in enumerate(objects.counts):
        for start in range(0, num_groups * per_group, per_group):
            part = cost[image, start : start + per_group, :count]
            found = zip(*linear_sum_assignment(part), strict=True)
            rows += [(image, start + int(query), int(place)) for query, place in found]
    pairs = torch.tensor(rows, dtype=torch.int64, device=objects.labels.device).view(-1, 3)
    return Pairs(*pairs.unbind(dim=1))


def pair_costs(
    predictions: MonocularPredictions, objects: PaddedObjects, costs: MatchingCosts
) -> Tensor:
    """The cost `(B, Q, M)` of each query for each place; that of empty places has no meaning."""
    boxes = at_least_float32(predictions["boxes"])[:, :, None]  # (B, Q, 1, 6)
    wanted = objects.boxes[:, None]  # (B, 1, M, 6)
    apart = (boxes - wanted).abs()
    giou = paired_giou(sides_to_corners(boxes), sides_to_corners(wanted))
    classes = _class_cost(at_least_float32(predictions["logits"]))
    columns = objects.labels[:, None].expand(-1, classes.shape[1], -1)
    return (
        costs.classes * classes.gather(2, columns)
        + costs.center * apart[..., :2].sum(dim=-1)
        + costs.sides * apart[..., 2:].sum(dim=-1)
        - costs.giou * giou
    )


def _class_cost(logits: Tensor) -> Tensor:
    """What each class `(B, Q, K)` would add to the focal loss, were it present."""
    present, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    hit = -ALPHA * absent.exp() ** GAMMA * present
    miss = -(1 - ALPHA) * present.exp() ** GAMMA * absent
    return hit - miss
