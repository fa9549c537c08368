import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from vision.metrics.precision_recall import (
    class_curves,
    macro_curve,
    micro_curve,
    precision_recall,
)


def random_scores(seed: int, count: int = 200, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    scores = draw.integers(0, 40, (count, classes)) / 40  # with ties
    return scores, draw.integers(0, classes, count)


def test_the_curve_and_its_average_are_those_of_scikit_learn() -> None:
    scores, labels = random_scores(0)
    ours = precision_recall(scores[:, 0], labels == 0)
    precision, recall, threshold = precision_recall_curve(labels == 0, scores[:, 0])
    np.testing.assert_allclose(ours.precision, precision[:-1][::-1])
    np.testing.assert_allclose(ours.recall, recall[:-1][::-1])
    np.testing.assert_allclose(ours.threshold, threshold[::-1])
    judged = average_precision_score(labels == 0, scores[:, 0])
    assert ours.average_precision == pytest.approx(judged)


def test_averages_over_classes_are_those_of_scikit_learn() -> None:
    scores, labels = random_scores(1)
    truth = np.eye(3, dtype=int)[labels]
    assert micro_curve(scores, labels).average_precision == pytest.approx(
        average_precision_score(truth, scores, average="micro")
    )
    curves = class_curves(scores, labels)
    assert macro_curve(curves).average_precision == pytest.approx(
        average_precision_score(truth, scores, average="macro")
    )


def test_the_mean_curve_of_one_class_is_its_envelope() -> None:
    # By falling score: right, wrong, right. Precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1.
    curve = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]))
    assert curve.precision.tolist() == [1.0, 0.5, pytest.approx(2 / 3)]
    mean = macro_curve([curve], points=5)
    np.testing.assert_allclose(mean.precision, [1, 1, 1, 2 / 3, 2 / 3])


def test_missed_objects_count_in_the_recall() -> None:
    curve = precision_recall(np.array([0.9, 0.8]), np.array([True, True]), total=4)
    assert curve.recall.tolist() == [0.25, 0.5]
    assert curve.average_precision == 0.5


def test_without_positives_or_scores_there_is_no_average() -> None:
    for scores, positive in ((np.array([0.5]), np.array([False])), (np.zeros(0), np.zeros(0))):
        assert np.isnan(precision_recall(scores, positive).average_precision)


def test_a_thinned_curve_has_the_ends_and_the_average() -> None:
    scores, labels = random_scores(2, count=3000)
    whole = precision_recall(scores[:, 0] + np.arange(3000) * 1e-7, labels == 0)
    thin = whole.thinned(50)
    assert len(thin.recall) <= 50 < len(whole.recall)
    assert thin.recall[-1] == whole.recall[-1] == 1
    assert thin.average_precision == whole.average_precision
    assert {*thin.precision} <= {*whole.precision}
