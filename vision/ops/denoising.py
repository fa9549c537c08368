"""Noised objects that queries learn to denoise, beside their own task.

"DINO: DETR with Improved DeNoising Anchor Boxes for End-to-End Object Detection", Zhang et al.,
2022, https://arxiv.org/abs/2203.03605, section 3.3.

Letters: B images, N noised queries of an image, Q queries that are matched, T pairs.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class NoisedQueries:
    """Noised objects of B images, padded to one number.

    Attributes:
        labels: int64 `(B, N)` noised class, K in empty places.
        boxes: float32 `(B, N, 4)` noised boxes, (center x, center y, width, height) as shares of
            the valid image.
        groups: Number of groups; each has a positive and a negative query per object.
        blocked: bool `(N + Q, N + Q)`, whether a query (row) must not see another (column). The
            noised queries are the first.
        image: int64 `(T,)` image of each positive query.
        query: int64 `(T,)` its place among the N.
        place: int64 `(T,)` of its object among the targets of the image.
    """

    labels: Tensor
    boxes: Tensor
    groups: int
    blocked: Tensor
    image: Tensor
    query: Tensor
    place: Tensor
