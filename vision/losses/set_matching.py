"""Matching of queries with objects one to one, for detectors that predict sets.

Letters: B images, G groups, Q queries of all groups, M places for objects, K classes, T pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

# Of the focal loss in the cost of classes.
ALPHA, GAMMA = 0.25, 2.0


@dataclass(frozen=True)
class Pairs:
    """Queries and their objects.

    Attributes:
        image: int64 `(T,)`, ascending.
        query: int64 `(T,)`.
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


def class_cost(logits: Tensor) -> Tensor:
    """What each class would add to the focal loss, were it present.

    "Deformable DETR", Zhu et al., 2021, https://arxiv.org/abs/2010.04159, appendix A.4.

    Args:
        logits: float `(B, Q, K)`, before the sigmoid.

    Returns:
        `(B, Q, K)`.
    """
    present, absent = F.logsigmoid(logits), F.logsigmoid(-logits)
    hit = -ALPHA * absent.exp() ** GAMMA * present
    miss = -(1 - ALPHA) * present.exp() ** GAMMA * absent
    return hit - miss


@torch.no_grad()
def assign_queries(costs: Sequence[Tensor], valid: Tensor, *, num_groups: int = 1) -> list[Pairs]:
    """Match the queries of each group with the objects, at the smallest sum of costs.

    "End-to-End Object Detection with Transformers", Carion et al., 2020,
    https://arxiv.org/abs/2005.12872, section 3.1, in each group of "Group DETR", Chen et al., 2023,
    https://arxiv.org/abs/2207.13085. Objects beyond the number of queries of a group stay without.
    The costs of all layers leave the device at once, and the pairs return at once.

    Args:
        costs: float `(B, Q, M)` of each decoder layer. What is not a number costs nothing; it is
            for the loss to show.
        valid: bool `(B, M)`, which places hold an object that is to be found.
        num_groups: Number G of groups, which lie one after the other.

    Returns:
        The pairs of each layer, queries ascending within a group of an image.
    """
    from scipy.optimize import linear_sum_assignment

    table = torch.stack(list(costs)).nan_to_num(nan=0.0)  # (layers, B, Q, M)
    # In one copy, which waits for the device once.
    packed = torch.cat([table.flatten(), valid.flatten().to(table.dtype)]).cpu().numpy()
    values = packed[: table.numel()].reshape(table.shape)
    columns = [row.nonzero()[0] for row in packed[table.numel() :].reshape(valid.shape)]
    per_group = values.shape[2] // num_groups
    rows: list[tuple[int, int, int]] = []
    counts = []
    for layer in values:
        before = len(rows)
        for image, places in enumerate(columns):
            for start in range(0, num_groups * per_group, per_group):
                part = layer[image, start : start + per_group][:, places]
                queries, chosen = linear_sum_assignment(part)
                found = zip((start + queries).tolist(), places[chosen].tolist(), strict=True)
                rows += [(image, query, place) for query, place in found]
        counts.append(len(rows) - before)
    pairs = torch.tensor(rows, dtype=torch.int64).view(-1, 3).to(valid.device, non_blocking=True)
    return [Pairs(*part.unbind(dim=1)) for part in pairs.split(counts)]
