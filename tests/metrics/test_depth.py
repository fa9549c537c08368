import math

import numpy as np
import pytest
from helpers.refusals import refuses

from vision.errors import ConfigError, DataError
from vision.metrics.depth import ERRORS, crop_window, measure_depth
from vision.metrics.depth_protocol import DepthProtocol


def random_maps(seed: int, height: int = 21, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a ground truth with holes, depths out of range and values that are none."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 12, (height, width))
    found = truth * rng.lognormal(0, 0.4, truth.shape)
    truth[rng.random(truth.shape) < 0.2] = 0
    for value in (np.nan, np.inf, -np.inf, -1.0, 0.0, 50.0):
        found[rng.random(truth.shape) < 0.02] = value
    return found, truth


def loop(found: np.ndarray, truth: np.ndarray, low: float, high: float) -> dict[str, float]:
    """The errors, a pixel at a time."""
    rows = []
    for d, g in zip(found.ravel().tolist(), truth.ravel().tolist(), strict=True):
        if low < g < high:
            d = low if math.isnan(d) else min(max(d, low), high)
            rows.append((d, g, math.log(d) - math.log(g)))
    count = len(rows)

    def mean(values: list[float]) -> float:
        return math.fsum(values) / count

    logs = mean([e for _, _, e in rows])
    return {
        "abs_rel": mean([abs(d - g) / g for d, g, _ in rows]),
        "sq_rel": mean([(d - g) ** 2 / g for d, g, _ in rows]),
        "rmse": math.sqrt(mean([(d - g) ** 2 for d, g, _ in rows])),
        "rmse_log": math.sqrt(mean([e * e for _, _, e in rows])),
        "log10": mean([abs(math.log10(d) - math.log10(g)) for d, g, _ in rows]),
        "silog": 100 * math.sqrt(mean([e * e for _, _, e in rows]) - logs**2),
        **{f"delta{i}": mean([max(d / g, g / d) < 1.25**i for d, g, _ in rows]) for i in (1, 2, 3)},
    }


def values_of(found: object, truth: object, **options: object) -> dict[str, float]:
    measured = measure_depth(np.array(found), np.array(truth), DepthProtocol(**options))
    assert measured is not None
    assert list(measured.values) == [*ERRORS]
    return dict(measured.values)


@pytest.mark.parametrize("seed", range(3))
def test_the_errors_are_those_of_a_loop(seed: int) -> None:
    found, truth = random_maps(seed)
    expected = loop(found, truth, 1e-3, 10)
    assert values_of(found, truth) == pytest.approx(expected, rel=1e-12)
    assert values_of(found, truth, min_depth=1, max_depth=4) == pytest.approx(
        loop(found, truth, 1, 4), rel=1e-12
    )


def test_a_hand_case() -> None:
    # Errors +1 of 2, -1 of 4, and 0: a pixel without a reading and one too far do not count.
    values = values_of([[3.0, 3, 5, 7, 7]], [[2.0, 4, 5, 0, 11]])
    third = 1 / 3
    assert values["abs_rel"] == pytest.approx(third * (1 / 2 + 1 / 4))
    assert values["sq_rel"] == pytest.approx(third * (1 / 2 + 1 / 4))
    assert values["rmse"] == pytest.approx(math.sqrt(2 / 3))
    assert [values[f"delta{i}"] for i in (1, 2, 3)] == pytest.approx([third, 1, 1])


def test_the_bound_of_a_share_is_not_in_it() -> None:
    values = values_of([[1.25, 1.0]], [[1.0, 1.25]])
    assert (values["delta1"], values["delta2"]) == (0, 1)


def test_predictions_are_clipped() -> None:
    truth = [[4.0] * 5]
    expected = values_of([[10, 10, 1e-3, 1e-3, 1e-3]], truth)
    assert values_of([[np.inf, 11, np.nan, 0, -3]], truth) == expected


def test_the_range_itself_is_not_valid() -> None:
    assert (
        measure_depth(
            np.ones((1, 2)), np.array([[1.0, 3]]), DepthProtocol(min_depth=1, max_depth=3)
        )
        is None
    )
    assert measure_depth(np.ones((1, 1)), np.zeros((1, 1)), DepthProtocol()) is None


def test_scaling_removes_a_factor_or_a_shift_too() -> None:
    _, truth = random_maps(0)
    valid = (truth > 1e-3) & (truth < 10)
    none = {"rmse": 0, "abs_rel": 0, "silog": 0, "delta1": 1}
    for change, scale in (
        (lambda g: 7 * g, "median"),
        (lambda g: 7 * g, "least-squares"),
        (lambda g: 7 * g - 3, "least-squares"),
        (lambda g: 20 - g, "least-squares"),
    ):
        measured = measure_depth(change(truth), truth, DepthProtocol(scale=scale))
        assert {name: measured.values[name] for name in none} == pytest.approx(none, abs=1e-6)
    median = measure_depth(7 * truth, truth, DepthProtocol(scale="median"))
    assert (median.factor, median.pixels) == (pytest.approx(1 / 7), valid.sum())


def test_the_fit_is_numpys_and_leaves_out_what_is_not_finite() -> None:
    found, truth = random_maps(3)
    valid = (truth > 1e-3) & (truth < 10) & np.isfinite(found)
    slope, shift = np.polyfit(found[valid], truth[valid], 1)
    fitted = measure_depth(found, truth, DepthProtocol(scale="least-squares"))
    assert fitted.factor == pytest.approx(slope)
    expected = loop(found * slope + shift, truth, 1e-3, 10)
    assert fitted.values == pytest.approx(expected)
    median = measure_depth(found, truth, DepthProtocol(scale="median"))
    factor = np.median(truth[valid]) / np.median(found[valid])
    assert median.values == pytest.approx(loop(found * factor, truth, 1e-3, 10))
    constant = measure_depth(np.full_like(truth, 5), truth, DepthProtocol(scale="least-squares"))
    inside = truth[(truth > 1e-3) & (truth < 10)]
    assert constant.values["rmse"] == pytest.approx(inside.std())


def test_predictions_that_cannot_be_scaled_are_refused() -> None:
    truth = np.ones((1, 3))
    with refuses(DataError, "-2", "positive", "least-squares"):
        measure_depth(np.full((1, 3), -2.0), truth, DepthProtocol(scale="median"))
    with refuses(DataError, "finite"):
        measure_depth(np.full((1, 3), np.nan), truth, DepthProtocol(scale="median"))


@pytest.mark.parametrize(
    ("crop", "size", "window"),
    [
        ("none", (5, 7), (0, 5, 0, 7)),
        ("eigen", (480, 640), (45, 471, 41, 601)),
        # Rows and columns of KITTI's usual size, as published code has them.
        ("eigen", (375, 1242), (124, 342, 44, 1197)),
        ("garg", (375, 1242), (153, 371, 44, 1197)),
        ("kb", (375, 1242), (23, 375, 13, 1229)),
        ("kb", (352, 1216), (0, 352, 0, 1216)),
    ],
)
def test_crops(crop: str, size: tuple[int, int], window: tuple[int, int, int, int]) -> None:
    rows, columns = crop_window(crop, *size)
    assert (rows.start, rows.stop, columns.start, columns.stop) == window
    truth = np.zeros(size)
    truth[window[0], window[2]], truth[window[1] - 1, window[3] - 1] = 1, 2
    outside = truth.copy()
    outside[: window[0]] = outside[window[1] :] = 3
    outside[:, : window[2]] = outside[:, window[3] :] = 3
    measured = measure_depth(truth, outside, DepthProtocol(crop=crop))
    assert (measured.pixels, measured.values["rmse"]) == (2, 0)


def test_wrong_protocols_are_refused() -> None:
    with refuses(DataError, "300 x 1242", "352 x 1216", "none"):
        crop_window("kb", 300, 1242)
    with refuses(ConfigError, "min_depth", "0"):
        DepthProtocol(min_depth=0)
    with refuses(ConfigError, "max_depth", "5"):
        DepthProtocol(min_depth=5, max_depth=5)
    with refuses(ConfigError, "crop='eigne'", "'eigen'"):
        DepthProtocol(crop="eigne")
    with refuses(ConfigError, "scale='mean'", "'median'"):
        DepthProtocol(scale="mean")
