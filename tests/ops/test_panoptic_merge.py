"""Merging masks into segments, on rows of ten pixels worked out by hand."""

from typing import Any

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError
from vision.ops.panoptic_merge import MergeOptions, merge_segments, rank_instances

# Classes 0 and 1 are things, 2 is stuff.
THINGS = (0, 1)


def merge(
    masks: list[str],
    classes: list[tuple[int, float]],
    *,
    confidence: list[float] | None = None,
    **options: Any,
) -> tuple[list[int], list[tuple[int, int, bool]]]:
    """Merge masks that are drawn with `x`; ids of the pixels, and (id, class, thing)."""
    drawn = np.array([[letter == "x" for letter in mask] for mask in masks])
    queries = np.where(drawn, np.arange(len(masks))[:, None], -1)[:, None]  # (N, 1, W)
    shares = np.zeros((len(masks), 3))
    for query, (label, score) in enumerate(classes):
        shares[query, label] = score
    segments, infos = merge_segments(
        queries,
        drawn.sum(axis=1),
        np.array(confidence or [0.5] * len(masks)),
        shares,
        things=THINGS,
        options=MergeOptions(**options),
    )
    assert segments.dtype == np.int32
    found = [(info["id"], info["category_id"], info["isthing"]) for info in infos]
    return segments[0].tolist(), found


def test_the_best_first() -> None:
    masks, classes = ["xxxxx.....", "....xxxxxx"], [(0, 0.8), (1, 0.9)]
    ids, infos = merge(masks, classes, overlap_threshold=0.7)
    assert ids == [2, 2, 2, 2, 1, 1, 1, 1, 1, 1]
    assert infos == [(1, 1, True), (2, 0, True)]


@pytest.mark.parametrize(("exponent", "first"), [(1.0, 1), (0.0, 0)])
def test_the_mean_probability_may_decide_the_order(exponent: float, first: int) -> None:
    masks, classes = ["xxxxxxxxxx", "xxxxxxxxxx"], [(0, 0.95), (1, 0.9)]
    _, infos = merge(masks, classes, confidence=[0.5, 0.9], mask_exponent=exponent)
    assert infos == [(1, first, True)]


def test_thresholds_are_strict_and_differ_for_stuff() -> None:
    masks = ["xx........", "..xx......", "....xx....", "......xx.."]
    classes = [(0, 0.7), (1, 0.71), (2, 0.5), (2, 0.51)]
    ids, infos = merge(masks, classes)
    assert ids == [0, 0, 1, 1, 0, 0, 2, 2, 0, 0]
    assert infos == [(1, 1, True), (2, 2, False)]


@pytest.mark.parametrize(("threshold", "segments"), [(0.8, 1), (0.79, 2)])
def test_a_mask_needs_free_pixels(threshold: float, segments: int) -> None:
    """Four of the five pixels of the second mask are free."""
    masks, classes = ["xxxxx.....", "....xxxxx."], [(0, 0.9), (1, 0.8)]
    _, infos = merge(masks, classes, overlap_threshold=threshold)
    assert len(infos) == segments


def test_stuff_of_one_class_is_one_segment_and_things_are_not() -> None:
    masks = ["xx........", "..xx......", "....xx....", "......xx.."]
    classes = [(2, 0.99), (0, 0.98), (2, 0.97), (0, 0.96)]
    ids, infos = merge(masks, classes)
    assert ids == [1, 1, 2, 2, 1, 1, 3, 3, 0, 0]
    assert infos == [(1, 2, False), (2, 0, True), (3, 0, True)]


def test_a_query_without_pixels() -> None:
    ids, infos = merge(["..........", "x........."], [(0, 0.9), (0, 0.9)])
    assert ids == [1, *[0] * 9]
    assert len(infos) == 1


def test_instances() -> None:
    """Of the four best pairs one is of stuff; scores are products."""
    classes = np.array([[0.9, 0.05, 0.0], [0.1, 0.6, 0.0], [0.0, 0.2, 0.7]])
    area, confidence = np.array([10, 1000, 20]), np.array([0.5, 0.9, 0.8])
    queries, labels, scores = rank_instances(
        area, confidence, classes, things=THINGS, max_per_image=4
    )
    assert queries.tolist() == [1, 0, 2]
    assert labels.tolist() == [1, 0, 1]
    np.testing.assert_allclose(scores, [0.54, 0.45, 0.16], rtol=1e-6)


def test_impossible_options() -> None:
    with refuses(ConfigError, "overlap_threshold=1.5", "from 0 to 1"):
        MergeOptions(overlap_threshold=1.5)
    with refuses(ConfigError, "mask_exponent=-1", "0 or more"):
        MergeOptions(mask_exponent=-1)
