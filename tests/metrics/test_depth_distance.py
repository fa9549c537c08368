"""Errors of depth by distance, against a loop over the pixels of each interval."""

import numpy as np
import pytest

from vision.metrics.depth_distance import MAX_INTERVALS, DepthByDistance, distance_edges

RNG = np.random.default_rng(0)
TRUTH = RNG.uniform(0.5, 9.5, 4000)
FOUND = TRUTH * np.exp(RNG.normal(0, 0.1, 4000))


@pytest.mark.parametrize(
    ("low", "high", "first", "width"), [(1e-3, 10, 0, 1), (1e-3, 80, 0, 5), (2.1, 5.0, 2.0, 0.2)]
)
def test_edges_are_round_and_hold_the_range(
    low: float, high: float, first: float, width: float
) -> None:
    edges = distance_edges(low, high)
    assert edges[0] == first <= low
    assert edges[-1] >= high - 1e-9
    assert np.diff(edges) == pytest.approx(width)
    assert len(edges) <= MAX_INTERVALS + 1


def test_rows_are_those_of_a_loop() -> None:
    counted = DepthByDistance.empty(1e-3, 10)
    counted.update(FOUND[:1500], TRUTH[:1500])
    rest = DepthByDistance.empty(1e-3, 10)
    rest.update(FOUND[1500:], TRUTH[1500:])
    rows = (counted + rest).rows()
    assert sum(row["pixels"] for row in rows) == len(TRUTH)
    for row in rows:
        inside = (row["near"] <= TRUTH) & (row["far"] > TRUTH)
        found, true = FOUND[inside], TRUTH[inside]
        assert row["pixels"] == inside.sum() > 0
        assert row["abs_rel"] == pytest.approx(np.mean(np.abs(found - true) / true))
        assert row["rmse"] == pytest.approx(np.sqrt(np.mean((found - true) ** 2)))
        assert row["delta1"] == np.mean(np.maximum(found / true, true / found) < 1.25)
        expected = np.quantile(found / true - 1, (0.05, 0.5, 0.95))
        assert [row["low"], row["middle"], row["high"]] == pytest.approx(expected, abs=0.02)


def test_intervals_without_pixels_have_no_numbers_and_large_errors_are_counted() -> None:
    counted = DepthByDistance.empty(1e-3, 10)
    counted.update(np.array([100.0, 0.001]), np.array([1.5, 1.5]))
    rows = counted.rows()
    assert rows[0]["abs_rel"] is rows[0]["middle"] is None
    assert rows[1]["pixels"] == 2
    assert rows[1]["low"] < -0.6
    assert rows[1]["high"] > 1.7


def test_the_histogram_of_ratios_has_all_pixels() -> None:
    counted = DepthByDistance.empty(1e-3, 10)
    counted.update(np.append(FOUND, [0.1, 90.0]), np.append(TRUTH, [9.0, 0.5]))
    shown = counted.ratio_histogram()
    edges = np.array(shown["edges"])
    assert (edges[0], edges[-1]) == pytest.approx((0.5, 1.5), abs=0.01)
    assert edges[1:] / edges[:-1] == pytest.approx(np.exp(0.02))
    ratios = np.append(FOUND / TRUTH, [0.1 / 9, 180])
    expected, _ = np.histogram(ratios.clip(edges[0] + 1e-9, edges[-1] - 1e-9), edges)
    assert shown["counts"] == expected.tolist()
