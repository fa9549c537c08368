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

# On a CPU a strip stays in the cache that its cores share, and is so large that calls cost little.
STRIP_BYTES = {"cpu": 8 * 2**20}
# Powers of two within these bounds keep all bits in float32, and so do sums of them.
MAX_EXPONENT = 86.0
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
    """The mask logits of one image at its original size, without the padding, divided by ln 2.

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
        # Powers of two take a CPU a third of the time of those of e.
        scale=1 / math.log(2),
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
        rows: Mask logits of one image, as exponents of two.
        class_probabilities: float `(N, K)`, without "no object".
        confidence_threshold: The threshold, in (0, 1).
        semantic: Whether to find the class of each pixel too.
        strip_bytes: Size of the probabilities of a strip; by default one that suits the device.

    Raises:
        ConfigError: The threshold is out of its range.
    """
    check_number("confidence_threshold", confidence_threshold, above=0, below=1)
    device, count = class_probabilities.device, rows.channels
    height, width = rows.size
    places = min(math.ceil(1 / confidence_threshold) - 1, count)
    queries = torch.empty((places, height, width), dtype=torch.int32, device=device)
    shares = torch.empty((places, height, width), device=device)
    labels, scores = None, None
    if semantic:
        labels = torch.empty((height, width), dtype=torch.int64, device=device)
        scores = torch.empty((height, width), device=device)
    strip_bytes = strip_bytes or STRIP_BYTES.get(device.type, ACCELERATOR_STRIP_BYTES)
    classes = class_probabilities.float()
    step = max(strip_bytes // (4 * count * width), 1)
    guess = torch.zeros(1, dtype=torch.int64, device=device)
    for start in range(0, height, step):
        here = slice(start, min(start + step, height))
        # Queries last, as in memory: all that follows is several times faster so.
        powers = rows.strip(here.start, here.stop)  # (blocks, rows, size, N)
        if rows.largest > MAX_EXPONENT:
            powers -= powers.amax(dim=-1, keepdim=True)
        total = powers.exp2_().sum(dim=-1)  # (blocks, rows, size)
        found = find_members(powers, total, guess, confidence_threshold, places)
        queries[:, here], shares[:, here] = (rows.arrange(x) for x in found)
        guess = found[0][0, :, -1:]
        if labels is not None and scores is not None:
            best, label = (powers @ classes).max(dim=-1)
            labels[here], scores[here] = (rows.arrange(x[None])[0] for x in (label, best / total))
    queries.masked_fill_(~(shares > confidence_threshold), -1)
    area, confidence = measure_members(queries, shares, count)
    return ClusterMaps(queries, area, confidence, labels, scores)


def find_members(
    powers: Tensor, total: Tensor, guess: Tensor, threshold: float, places: int
) -> tuple[Tensor, Tensor]:
    """The best queries of pixels, as far as they may exceed a threshold.

    Args:
        powers: float32 `(blocks, rows, size, N)`, proportional to the shares.
        total: float32 `(blocks, rows, size)`, their sums.
        guess: int64, broadcast to `total`: the query that is tried first.
        threshold: What the share of a member has to exceed, in (0, 1).
        places: Number T of queries that can exceed it.

    Returns:
        Queries, int64 `(T, blocks, rows, size)`, and their shares, float32; the members of a pixel
        by falling share. A place without a member has a share that does not exceed the threshold,
        and any query.
    """
    # With a larger share, a query is the only one whose share exceeds the threshold.
    sure = max(1 - threshold, threshold) + SLACK
    powers, shape, total = powers.flatten(0, 2), total.shape, total.flatten()
    queries = total.new_zeros((places, len(total)), dtype=torch.int64)
    shares = total.new_zeros((places, len(total)))
    queries[0] = guess.expand(shape).flatten()
    shares[0] = powers.gather(1, queries[0, :, None])[:, 0] / total
    pixels = (~(shares[0] > sure)).nonzero()[:, 0]
    rest = powers.index_select(0, pixels).div_(total[pixels, None])  # (P, N)
    for place in range(places):
        if not len(pixels):
            break
        best, query = rest.max(dim=-1)
        queries[place, pixels], shares[place, pixels] = query, best
        # Whoever has more than the rest leaves no room for another.
        more = ((best > threshold) & (best <= sure)).nonzero()[:, 0]
        pixels = pixels[more]
        rest = rest[more].scatter_(1, query[more, None], 0)
    return queries.unflatten(1, shape), shares.unflatten(1, shape)


def measure_members(queries: Tensor, shares: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Number of pixels of each query, int64 `(N,)`, and their mean share, float32 `(N,)`.

    Args:
        queries: int32 `(T, H, W)`, -1 for none.
        shares: float32 `(T, H, W)`.
        count: Number N of queries.
    """
    # On the host: sums of floats on an accelerator are in no fixed order.
    bins, weights = queries.cpu().flatten() + 1, shares.cpu().flatten().double()
    area = bins.bincount(minlength=count + 1)[1:]
    sums = bins.bincount(weights=weights, minlength=count + 1)[1:]
    confidence = (sums / area.clamp(min=1)).float()
    return area.to(queries.device), confidence.to(queries.device)
