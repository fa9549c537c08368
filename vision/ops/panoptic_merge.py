"""From the masks of queries to a panoptic segmentation or to instances, in NumPy alone.

N counts queries, K classes, T queries that a pixel can belong to at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.contracts.segments import SegmentInfo
from vision.options import PROBABILITY, Range, check_ranges

# A pixel belongs to the queries whose probability there is higher.
CONFIDENCE_THRESHOLD = 0.4


@dataclass(frozen=True)
class MergeOptions:
    """Options of the merging; the defaults are published for COCO.

    Attributes:
        thing_threshold: A query of a thing needs a higher class score; 0.4 on ADE20K, 0.5 on
            Cityscapes.
        stuff_threshold: The same for stuff; 0.4 on ADE20K, 0.3 on Cityscapes.
        overlap_threshold: A mask needs a larger share of pixels that are still free; 0.9 on
            Cityscapes.
        class_exponent: Exponent of the class score in the order of queries.
        mask_exponent: Exponent of the mean probability of the mask; 0 on Cityscapes.

    Raises:
        ConfigError: A value is out of its range.
    """

    thing_threshold: float = 0.7
    stuff_threshold: float = 0.5
    overlap_threshold: float = 0.8
    class_exponent: float = 1.0
    mask_exponent: float = 1.0

    def __post_init__(self) -> None:
        thresholds = ("thing_threshold", "stuff_threshold", "overlap_threshold")
        check_ranges(vars(self), dict.fromkeys(thresholds, PROBABILITY))
        exponents = ("class_exponent", "mask_exponent")
        check_ranges(vars(self), dict.fromkeys(exponents, Range(minimum=0)))


def merge_segments(
    queries: np.ndarray,
    area: np.ndarray,
    confidence: np.ndarray,
    class_probabilities: np.ndarray,
    *,
    things: Sequence[int],
    options: MergeOptions | None = None,
) -> tuple[np.ndarray, list[SegmentInfo]]:
    """Merge the masks of queries, the best first, into one map without overlaps.

    As in kMaX-DeepLab's code, after "MaX-DeepLab", Wang et al., 2020,
    https://arxiv.org/abs/2012.00759. Every comparison is strict. Stuff of a class that is already
    there extends its segment.

    Args:
        queries: int `(T, H, W)` the queries that each pixel belongs to, -1 for none.
        area: int `(N,)` number of pixels of each query.
        confidence: float `(N,)` mean probability of these pixels.
        class_probabilities: float `(N, K)`, without "no object".
        things: Indices of the classes of countable objects.
        options: Thresholds and order.

    Returns:
        int32 `(H, W)` id of each pixel's segment, 0 for none, and the segments by id.
    """
    options = options or MergeOptions()
    labels, scores = class_probabilities.argmax(axis=1), class_probabilities.max(axis=1)
    is_thing = np.isin(labels, list(things))
    wanted = np.where(is_thing, options.thing_threshold, options.stuff_threshold)
    rank = scores**options.class_exponent * confidence**options.mask_exponent
    order = np.argsort(-rank, kind="stable")
    rivals = Rivals(queries)
    numbers = np.zeros(len(area) + 1, dtype=np.int32)  # the last one for no query
    infos: list[SegmentInfo] = []
    stuff: dict[int, int] = {}
    for query in order[(scores > wanted)[order] & (area > 0)[order]].tolist():
        if area[query] - rivals.lost(query) <= options.overlap_threshold * area[query]:
            continue
        label, thing = int(labels[query]), bool(is_thing[query])
        number = len(infos) + 1 if thing else stuff.setdefault(label, len(infos) + 1)
        if number > len(infos):
            infos.append({"id": number, "category_id": label, "isthing": thing})
        numbers[query] = number
        rivals.take(query)
    segments = numbers[queries[0]]
    segments.ravel()[rivals.pixels] = numbers[rivals.owner]
    return segments, infos


def merge_outputs(
    queries: np.ndarray,
    shares: np.ndarray,
    class_probabilities: np.ndarray,
    *,
    things: Sequence[int],
    options: MergeOptions | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, list[SegmentInfo]]:
    """The segments of an image from the outputs of an exported model.

    Args:
        queries: int `(T, H, W)` the queries that each pixel belongs to, -1 for none.
        shares: float `(T, H, W)` the probability of each.
        class_probabilities: float `(N, K)`, without "no object".
        things: Indices of the classes of countable objects.
        options: Thresholds and order.
        size: Height and width of the part of the image that is no padding; None for all of it.

    Returns:
        As `merge_segments`, for this part.
    """
    height, width = size or queries.shape[1:]
    queries, shares = queries[:, :height, :width], shares[:, :height, :width]
    known, count = queries >= 0, len(class_probabilities)
    area = np.bincount(queries[known], minlength=count)
    total = np.bincount(queries[known], weights=shares[known], minlength=count)
    confidence = (total / np.maximum(area, 1)).astype(np.float32)
    return merge_segments(
        queries, area, confidence, class_probabilities, things=things, options=options
    )


class Rivals:
    """The pixels that several queries may claim, few as they are; all others have one at most.

    Args:
        queries: int `(T, H, W)` the queries that each pixel belongs to, -1 for none.

    Attributes:
        pixels: int64 `(P,)`, their places in an image that is read row by row.
        owner: int64 `(P,)`, the query that has taken each, -1 while it is free.
    """

    def __init__(self, queries: np.ndarray) -> None:
        flat = queries.reshape(len(queries), -1)
        self.pixels = np.flatnonzero((flat[1:] >= 0).any(axis=0))
        self.owner = np.full(len(self.pixels), -1)
        self._claims = flat[:, self.pixels]

    def lost(self, query: int) -> int:
        """Number of pixels of a query that others have taken."""
        return int(np.count_nonzero(self._of(query) & (self.owner >= 0)))

    def take(self, query: int) -> None:
        """Take the pixels of a query that are free."""
        self.owner[self._of(query) & (self.owner < 0)] = query

    def _of(self, query: int) -> np.ndarray:
        claimed: np.ndarray = (self._claims == query).any(axis=0)
        return claimed


def rank_instances(
    area: np.ndarray,
    confidence: np.ndarray,
    class_probabilities: np.ndarray,
    *,
    things: Sequence[int],
    max_per_image: int = 100,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best pairs of query and class; those of stuff take places too, and are then left out.

    Args:
        area: int `(N,)` number of pixels of each query.
        confidence: float `(N,)` mean probability of these pixels.
        class_probabilities: float `(N, K)`, without "no object".
        things: Indices of the classes of countable objects.
        max_per_image: Number of pairs, before those of stuff are left out.

    Returns:
        Queries, classes and scores in [0, 1], each `(D,)`, by descending score.
    """
    pairs = class_probabilities.ravel()
    best = np.argsort(-pairs, kind="stable")[:max_per_image]
    queries, labels = np.divmod(best, class_probabilities.shape[1])
    kept = np.isin(labels, list(things))
    queries, labels = queries[kept], labels[kept]
    # As published: a mask of a few pixels counts very slightly less.
    scores = pairs[best][kept] * confidence[queries] * (area / (area + 1e-6))[queries]
    order = np.argsort(-scores, kind="stable")
    return queries[order], labels[order], scores[order]
