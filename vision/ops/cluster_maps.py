"""Which pixels belong to which query, at the size of the original image.

Shapes: N queries, K classes, T queries that a pixel can belong to at most, H x W pixels of the
original image. Nothing of size N x H x W exists: masks are resized a strip of rows at a time.

Every pixel has the softmax over all queries. What is not done for every pixel is the search for its
queries: the best query of the pixel above is tried first. If its share exceeds 1 less the
threshold, no other query can exceed the threshold; only other pixels look at all queries.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vision.ops.composed_resize import ComposedRows
from vision.ops.dense_inference import ACCELERATOR_STRIP_BYTES
from vision.options import check_number

# On a CPU a strip stays in the caches of its cores.
STRIP_BYTES = {"cpu": 2 * 2**20}
# Powers of e within these bounds keep all bits in float32, and so do sums of them.
MAX_EXPONENT = 60.0
# More than the rounding of a share.
SLACK = 1e-5


@dataclass(frozen=True)
class ClusterMaps:
    """The masks of an image's queries.

    Attributes:
        queries: int32 `(T, H, W)` the queries that each pixel belongs to, by falling probability;
            -1 where there are fewer.
        area: int64 `(N,)` number of pixels of each query.
        confidence: float32 `(N,)` mean probability of these pixels; 0 for a query without any.
        semantic: int64 `(H, W)` class of each pixel, over all queries; None if it was not asked
            for.
        semantic_scores: float32 `(H, W)` its score in [0, 1].
    """

    queries: Tensor
    area: Tensor
    confidence: Tensor
    semantic: Tensor | None = None
    semantic_scores: Tensor | None = None


def mask_rows(
    mask_logits: Tensor,
    *,
    padded: tuple[int, int],
    valid: tuple[int, int],
    original: tuple[int, int],
) -> ComposedRows:
    """The mask logits of one image at its original size, without the padding.

    As published, corners are aligned if the width of the padded image is odd.

    Args:
        mask_logits: float `(N, h, w)`.
        padded: Height and width of the image that the network got.
        valid: Height and width of the part of it that is no padding.
        original: Height and width of the original image.
    """
    return ComposedRows(
        mask_logits,
        resized=padded,
        kept=valid,
        wanted=original,
        align_corners=padded[1] % 2 == 1,
    )


@torch.no_grad()
def cluster_maps(
    rows: ComposedRows,
    class_probabilities: Tensor,
    *,
    confidence_threshold: float = 0.4,
    semantic: bool = True,
    strip_bytes: int | None = None,
) -> ClusterMaps:
    """Assign the pixels of an image to queries, by the softmax over all queries.

    A pixel belongs to the queries whose probability there exceeds a threshold, which is why it
    belongs to few.

    Args:
        rows: Mask logits of one image.
        class_probabilities: float `(N, K)`, without "no object".
        confidence_threshold: The threshold, in (0, 1).
        semantic: Whether to find the class of each pixel too.
        strip_bytes: Size of the probabilities of a strip; by default one that suits the device.

    Raises:
        ConfigError: The threshold is out of its range.
    """
    check_number("confidence_threshold", confidence_threshold, above=0, below=1)
    device = class_probabilities.device
    height, width = rows.size
    members = Members(rows.channels, rows.size, confidence_threshold, device)
    labels, scores = None, None
    if semantic:
        labels = torch.empty((height, width), dtype=torch.int64, device=device)
        scores = torch.empty((height, width), device=device)
    strip_bytes = strip_bytes or STRIP_BYTES.get(device.type, ACCELERATOR_STRIP_BYTES)
    classes = class_probabilities.float()
    step = max(strip_bytes // (4 * rows.channels * width), 1)
    for start in range(0, height, step):
        stop = min(start + step, height)
        # Queries last, as in memory: all that follows is several times faster so.
        powers = rows.rows(start, stop)  # (rows, W, N)
        if rows.largest > MAX_EXPONENT:
            powers -= powers.amax(dim=-1, keepdim=True)
        total = powers.exp_().sum(dim=-1)  # (rows, W)
        members.add(start, powers, total)
        if labels is not None and scores is not None:
            best, labels[start:stop] = (powers @ classes).max(dim=-1)
            scores[start:stop] = best / total
    area, confidence = members.count()
    return ClusterMaps(members.queries, area, confidence, labels, scores)


class Members:
    """The queries that each pixel of an image belongs to, a strip of rows at a time.

    Args:
        queries: Number N of queries.
        size: Height H and width W of the image.
        threshold: What the share of a query has to exceed, in (0, 1).
        device: Where the shares are.

    Attributes:
        queries: int32 `(T, H, W)`, -1 where there are fewer.
    """

    def __init__(
        self, queries: int, size: tuple[int, int], threshold: float, device: torch.device
    ) -> None:
        self.threshold, self._count = threshold, queries
        # With a larger share, a query is the only one whose share exceeds the threshold.
        self._sure = max(1 - threshold, threshold) + SLACK
        places = min(math.ceil(1 / threshold) - 1, queries)
        self.queries = torch.full((places, *size), -1, dtype=torch.int32, device=device)
        self._shares = torch.zeros((places, *size), device=device)
        self._guess = torch.zeros(size[1], dtype=torch.int64, device=device)

    def add(self, start: int, powers: Tensor, total: Tensor) -> None:
        """Find the queries of the pixels of some rows.

        Args:
            start: The first row.
            powers: float32 `(rows, W, N)`, proportional to the shares.
            total: float32 `(rows, W)`, their sums.
        """
        rows = slice(start, start + len(total))
        guess = self._guess.expand_as(total)  # (rows, W)
        share = powers.gather(-1, guess[..., None])[..., 0] / total
        self.queries[0, rows], self._shares[0, rows] = guess.int(), share
        y, x = (~(share > self._sure)).nonzero(as_tuple=True)
        if not len(y):
            return
        shares = powers[y, x].div_(total[y, x, None])  # (P, N)
        for place in range(len(self.queries)):
            best, query = shares.max(dim=-1)
            if place == 0:
                last = y == len(total) - 1
                self._guess = self._guess.scatter(0, x[last], query[last])
            found = best > self.threshold
            self.queries[place, start + y, x] = query.int().masked_fill(~found, -1)
            self._shares[place, start + y, x] = best
            # Whoever has more than the rest leaves no room for another.
            more = (found & (best <= self._sure)).nonzero()[:, 0]
            if not len(more):
                return
            y, x = y[more], x[more]
            shares = shares[more].scatter(-1, query[more, None], 0)

    def count(self) -> tuple[Tensor, Tensor]:
        """Number of pixels of each query, int64 `(N,)`, and their mean share, float32 `(N,)`."""
        # On the host: sums of floats on an accelerator are in no fixed order.
        queries, shares = self.queries.cpu(), self._shares.cpu()
        member = queries >= 0
        queries = queries[member]
        area = queries.bincount(minlength=self._count)
        sums = queries.bincount(weights=shares[member].double(), minlength=self._count)
        confidence = (sums / area.clamp(min=1)).float()
        return area.to(self.queries.device), confidence.to(self.queries.device)
