"""The benchmark of COCO's evaluation compares what is worth comparing."""

import pytest

from vision.benchmarks import evaluation
from vision.benchmarks.evaluation import Settings, compose, measure_evaluation
from vision.benchmarks.measurement import UnequalSidesError
from vision.metrics.coco.evaluation import evaluate_coco

SETTINGS = Settings(kinds=["bbox", "segm"], images=3, detections=20, rounds=2, warmup=0)


def test_both_sides_are_timed_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    # New processes take seconds to start.
    monkeypatch.setattr(evaluation, "in_fresh_process", lambda measure, *given: measure(*given))
    rows = {(row.label, row.unit): row for row in measure_evaluation(SETTINGS).rows}
    for kind in ("boxes", "masks"):
        row = rows[f"{kind}, 3 images x 20", "ms/evaluation"]
        assert (row.peer, row.rounds) == ("pycocotools", 2)
        assert row.difference is not None
        assert row.difference <= 1e-12
        assert rows[f"{kind}, 3 images x 20, peak", "MiB"].theirs is not None


def test_sides_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    other = evaluate_coco(*compose(2, 5, masks=False))
    monkeypatch.setattr(evaluation, "evaluate_coco", lambda *args, **kinds: other)
    with pytest.raises(UnequalSidesError, match="differ"):
        measure_evaluation(SETTINGS)


def test_the_composed_detections_are_neither_perfect_nor_random() -> None:
    for kind, stats in evaluate_coco(*compose(12, 60, masks=True)).stats.items():
        assert 0.05 < stats[0] < 0.95, kind
        assert (stats > -1).all(), "objects of every size"
