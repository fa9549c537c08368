"""The benchmark of COCO's evaluation compares what is worth comparing."""

import pytest

from vision.benchmarks.evaluation import compare_evaluation, compose
from vision.benchmarks.measurement import UnequalSidesError
from vision.metrics.coco.evaluation import evaluate_coco


@pytest.mark.parametrize("masks", [False, True])
def test_both_sides_are_timed_and_agree(masks: bool) -> None:
    compared = compare_evaluation(3, 20, masks, rounds=2)
    assert len(compared.ours.wall) == len(compared.theirs.processor) == 2
    assert compared.difference <= 1e-12


def test_sides_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = evaluate_coco(*compose(2, 5, masks=False))
    monkeypatch.setattr("vision.benchmarks.evaluation.evaluate_coco", lambda *args, **kinds: other)
    with pytest.raises(UnequalSidesError, match="differ"):
        compare_evaluation(3, 20, False)


def test_the_composed_detections_are_neither_perfect_nor_random() -> None:
    for kind, stats in evaluate_coco(*compose(12, 60, masks=True)).stats.items():
        assert 0.05 < stats[0] < 0.95, kind
        assert (stats > -1).all(), "objects of every size"
