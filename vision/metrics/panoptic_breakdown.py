"""Where panoptic quality is lost: confused classes, and the sizes of segments.

Letters: K categories, S sizes.
"""

from dataclasses import dataclass, field

import numpy as np

from vision.annotations.panoptic import Segments
from vision.metrics.panoptic import Overlaps, match_segments

# COCO's areas: upper ends of small and of medium segments, in pixels.
AREAS = (32**2, 96**2)
SIZES = ("small", "medium", "large")
# Edges of the IoU of matches.
IOU_EDGES = np.linspace(0.5, 1.0, 11)


@dataclass
class PanopticBreakdown:
    """Counts of segments over images; two of them may be added.

    Attributes:
        confusion: int64 `(K + 1, K + 1)`, segments by true and predicted class; the last row is of
            predicted segments without a match of any class, the last column of missed ones.
        iou_sum: float64 `(2, S)`, sum of the IoU of matches of stuff and of things, by the area of
            the true segment.
        true_positives: int64 `(2, S)`, their number.
        false_positives: int64 `(2, S)`, predicted segments without a match, by their own area.
        false_negatives: int64 `(2, S)`, missed segments, by their own area.
        iou_counts: int64 `(10,)`, matches by IoU, from 0.5 to 1.
    """

    confusion: np.ndarray
    iou_sum: np.ndarray = field(default_factory=lambda: np.zeros((2, len(SIZES))))
    true_positives: np.ndarray = field(default_factory=lambda: _counts())
    false_positives: np.ndarray = field(default_factory=lambda: _counts())
    false_negatives: np.ndarray = field(default_factory=lambda: _counts())
    iou_counts: np.ndarray = field(
        default_factory=lambda: np.zeros(len(IOU_EDGES) - 1, dtype=np.int64)
    )

    @classmethod
    def of_classes(cls, count: int) -> "PanopticBreakdown":
        """No segments of K classes."""
        return cls(confusion=np.zeros((count + 1, count + 1), dtype=np.int64))

    def __add__(self, other: "PanopticBreakdown") -> "PanopticBreakdown":
        return PanopticBreakdown(
            **{name: value + vars(other)[name] for name, value in vars(self).items()}
        )

    def update(self, pairs: Overlaps, truth: Segments, found: Segments, things: np.ndarray) -> None:
        """Count an image.

        Args:
            pairs: As for `match_segments`.
            truth: As for `match_segments`.
            found: As for `match_segments`.
            things: bool `(K,)`, which classes are things.
        """
        matches = match_segments(pairs, truth, found)
        true_sizes = _sizes(pairs.truth, pairs.pixels, truth.ids)
        found_sizes = _sizes(pairs.found, pairs.pixels, found.ids)
        kinds = things.astype(np.int64)
        true_places = kinds[truth.labels], true_sizes
        found_places = kinds[found.labels], found_sizes
        matched = tuple(part[matches.truth] for part in true_places)
        np.add.at(self.iou_sum, matched, matches.iou)
        np.add.at(self.true_positives, matched, 1)
        for counts, places, chosen in (
            (self.false_positives, found_places, matches.wrong),
            (self.false_negatives, true_places, matches.missed),
        ):
            np.add.at(counts, tuple(part[chosen] for part in places), 1)
        self.iou_counts += np.histogram(matches.iou, IOU_EDGES)[0]
        self._confuse(pairs, truth, found)

    def _confuse(self, pairs: Overlaps, truth: Segments, found: Segments) -> None:
        matches = match_segments(pairs, truth, found, any_class=True)
        none = len(self.confusion) - 1
        rows = [truth.labels[matches.truth], truth.labels[matches.missed]]
        columns = [found.labels[matches.found], np.full(int(matches.missed.sum()), none)]
        wrong = found.labels[matches.wrong]
        np.add.at(
            self.confusion,
            (
                np.concatenate([*rows, np.full(len(wrong), none)]),
                np.concatenate([*columns, wrong]),
            ),
            1,
        )


def _counts() -> np.ndarray:
    return np.zeros((2, len(SIZES)), dtype=np.int64)


def _sizes(owners: np.ndarray, pixels: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """The size of each segment: 0 small, 1 medium, 2 large."""
    areas = np.array([int(pixels[owners == one].sum()) for one in ids.tolist()], dtype=np.int64)
    return np.searchsorted(AREAS, areas, side="right")
