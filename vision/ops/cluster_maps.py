"""Which pixels belong to which query, at the size of the original image.

Shapes: N queries, K classes, T queries that a pixel can belong to at most, H x W pixels of the
original image. Nothing of size N x H x W exists: masks are resized a strip of rows at a time.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.dense_inference import ACCELERATOR_STRIP_BYTES, MIN_ROWS, STRIP_BYTES
from vision.ops.resize_rows import CroppedRows, MapRows, ResizedRows, Rows
from vision.options import check_number


@dataclass(frozen=True)
class ClusterMaps:
    """The masks of an image's queries.

    Attributes:
        queries: int32 `(T, H, W)` the queries that each pixel belongs to, -1 where there are fewer.
        area: int64 `(N,)` number of pixels of each query.
        confidence: float32 `(N,)` mean probability of these pixels; 0 for a query without any.
        semantic: int64 `(H, W)` class of each pixel, over all queries.
        semantic_scores: float32 `(H, W)` its score in [0, 1].
    """

    queries: Tensor
    area: Tensor
    confidence: Tensor
    semantic: Tensor
    semantic_scores: Tensor


def mask_rows(
    mask_logits: Tensor,
    *,
    padded: tuple[int, int],
    valid: tuple[int, int],
    original: tuple[int, int],
) -> Rows:
    """The mask logits of one image at its original size, without the padding.

    As published, corners are aligned if the width of the padded image is odd.

    Args:
        mask_logits: float `(N, h, w)`.
        padded: Height and width of the image that the network got.
        valid: Height and width of the part of it that is no padding.
        original: Height and width of the original image.
    """
    aligned = padded[1] % 2 == 1
    whole = MapRows(mask_logits[None], padded, align_corners=aligned)
    return ResizedRows(CroppedRows(whole, valid), original, align_corners=aligned)


@torch.no_grad()
def cluster_maps(
    rows: Rows,
    class_probabilities: Tensor,
    *,
    confidence_threshold: float = 0.4,
    strip_bytes: int | None = None,
) -> ClusterMaps:
    """Assign the pixels of an image to queries, by the softmax over all queries.

    A pixel belongs to the queries whose probability there exceeds a threshold, which is why it
    belongs to few.

    Args:
        rows: Mask logits of one image.
        class_probabilities: float `(N, K)`, without "no object".
        confidence_threshold: The threshold, in (0, 1).
        strip_bytes: Size of the probabilities of a strip; by default one that suits the device.

    Raises:
        ConfigError: The threshold is out of its range.
    """
    check_number("confidence_threshold", confidence_threshold, above=0, below=1)
    device = class_probabilities.device
    (height, width), count = rows.size, rows.classes
    places = min(math.ceil(1 / confidence_threshold) - 1, count)
    queries = torch.empty((places, height, width), dtype=torch.int32, device=device)
    semantic = torch.empty((height, width), dtype=torch.int64, device=device)
    scores = torch.empty((height, width), device=device)
    area = torch.zeros(count, dtype=torch.int64, device=device)
    total = torch.zeros(count, dtype=torch.float64, device=device)
    strip_bytes = strip_bytes or STRIP_BYTES.get(device.type, ACCELERATOR_STRIP_BYTES)
    classes = class_probabilities.float()
    step = max(strip_bytes // (4 * count * width), MIN_ROWS)
    for start in range(0, height, step):
        stop = min(start + step, height)
        # Queries last, as in memory: all that follows is several times faster so.
        shares = rows.rows(start, stop)[0].permute(1, 2, 0).softmax(dim=-1)  # (rows, W, N)
        scores[start:stop], semantic[start:stop] = (shares @ classes).max(dim=-1)
        sure = F.threshold(shares, confidence_threshold, 0.0)
        # A count of what is not zero has no fast kernel on a CPU.
        area += sure.sign().sum(dim=(0, 1), dtype=torch.float64).long()
        total += sure.sum(dim=(0, 1))
        queries[:, start:stop] = _members(sure, places)
    confidence = (total / area.clamp(min=1)).float()
    return ClusterMaps(queries, area, confidence, semantic, scores)


def _members(sure: Tensor, places: int) -> Tensor:
    """The queries that are not zero in `(rows, W, N)`, which is changed; `(T, rows, W)`."""
    found = []
    for _ in range(places):
        best, query = sure.max(dim=-1)
        found.append(query.masked_fill(best == 0, -1))
        sure.scatter_(-1, query[..., None], 0)
    return torch.stack(found)
