"""Confusion and sizes of segments, against a literal count over all pairs."""

import numpy as np
import pytest
from helpers.random_panoptic import CATEGORIES, THINGS, Scene, random_scene, scores_of, side

from vision.metrics.panoptic import overlaps
from vision.metrics.panoptic_breakdown import PanopticBreakdown

IS_THING = np.arange(CATEGORIES) < THINGS


def breakdown_of(scenes: list[Scene]) -> PanopticBreakdown:
    found = PanopticBreakdown.of_classes(CATEGORIES)
    for scene in scenes:
        pairs = overlaps(scene.truth.ids, scene.found.ids)
        found.update(pairs, scene.truth.segments, scene.found.segments, IS_THING)
    return found


def literal_confusion(scene: Scene) -> np.ndarray:
    """Pairs of any class with an IoU above 1/2, by masks."""
    matrix = np.zeros((CATEGORIES + 1, CATEGORIES + 1), np.int64)
    (true, truth), (map_, found) = scene
    void, seen = true == 0, set()
    for one, label, crowd in zip(*truth, strict=True):
        if crowd:
            continue
        column = CATEGORIES
        for other, predicted, _ in zip(*found, strict=True):
            a, b = true == one, (map_ == other) & ~void
            if (a & b).sum() > 0.5 * (a | b).sum():
                column, _ = predicted, seen.add(other)
        matrix[label, column] += 1
    for other, predicted, _ in zip(*found, strict=True):
        b = map_ == other
        crowds = [
            one for one, label, crowd in zip(*truth, strict=True) if crowd and label == predicted
        ]
        ignored = (b & (void | np.isin(true, crowds))).sum()
        if other not in seen and ignored <= 0.5 * b.sum():
            matrix[CATEGORIES, predicted] += 1
    return matrix


def test_classes_are_confused_as_counted_by_masks() -> None:
    scenes = [random_scene(seed) for seed in range(30)]
    expected = sum(literal_confusion(scene) for scene in scenes)
    assert np.array_equal(breakdown_of(scenes).confusion, expected)
    assert np.count_nonzero(expected - np.diag(np.diag(expected))) > 10, "there is something to see"


def test_sizes_add_up_to_the_matches_of_all() -> None:
    scenes = [random_scene(seed) for seed in range(30)]
    found, result = breakdown_of(scenes), scores_of(scenes)
    for kind, chosen in enumerate((~IS_THING, IS_THING)):
        for name in ("true_positives", "false_positives", "false_negatives"):
            assert getattr(found, name)[kind].sum() == getattr(result, name)[chosen].sum()
        assert found.iou_sum[kind].sum() == pytest.approx(result.iou_sum[chosen].sum())
    assert found.iou_counts.sum() == result.true_positives.sum()
    halves = breakdown_of(scenes[:11]) + breakdown_of(scenes[11:])
    for name, value in vars(found).items():
        np.testing.assert_allclose(vars(halves)[name], value)


def test_a_segment_has_the_size_of_its_own_pixels() -> None:
    true, found = np.zeros((200, 200), np.int64), np.zeros((200, 200), np.int64)
    true[:20, :20], true[50:100, :50], true[100:] = 1, 2, 3  # 400, 2,500 and 20,000 pixels
    found[:20, :20], found[50:100, 100:150], found[100:] = 4, 5, 6
    scene = Scene(side(true, {1: 0, 2: 1, 3: 4}), side(found, {4: 0, 5: 1, 6: 4}))
    counts = breakdown_of([scene])
    assert counts.true_positives.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert counts.false_positives.tolist() == [[0, 0, 0], [0, 0, 0]], "it lies on void"
    assert counts.false_negatives.tolist() == [[0, 0, 0], [0, 1, 0]]
    assert counts.iou_counts.tolist() == [0] * 9 + [2]
