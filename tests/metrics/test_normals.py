import math
import statistics

import numpy as np
import pytest
from helpers.normal_files import random_normals
from helpers.refusals import refuses

from vision.errors import DataError
from vision.metrics.normals import INTERVAL, NormalsEvaluator, NormalsScores, angles_between


def scores_of(*pairs: tuple[np.ndarray, np.ndarray]) -> NormalsScores:
    evaluator = NormalsEvaluator()
    for found, truth in pairs:
        evaluator.update(angles_between(found, truth))
    return evaluator.compute()


def loop(*pairs: tuple[np.ndarray, np.ndarray]) -> list[float]:
    """The angles in degrees, a pixel at a time."""
    angles = []
    for found, truth in pairs:
        for n, g in zip(found.reshape(-1, 3).tolist(), truth.reshape(-1, 3).tolist(), strict=True):
            if not math.isnan(g[0]):
                cosine = math.fsum(a * b for a, b in zip(n, g, strict=True))
                angles.append(math.degrees(math.acos(max(-1.0, min(1.0, cosine)))))
    return angles


def near(truth: np.ndarray, seed: int) -> np.ndarray:
    """Unit vectors around others."""
    moved = truth + 0.4 * random_normals(seed, *truth.shape[:2])
    return moved / np.linalg.norm(moved, axis=-1, keepdims=True)


@pytest.mark.parametrize("count", [1, 3])
def test_the_numbers_are_those_of_a_loop_over_all_pixels(count: int) -> None:
    pairs = []
    for seed in range(count):
        truth = random_normals(seed, height=5 + 4 * seed)
        found = near(truth, seed + 10)
        truth[np.random.default_rng(seed).random(truth.shape[:2]) < 0.3] = np.nan
        pairs.append((found, truth))
    angles, ours = loop(*pairs), scores_of(*pairs)
    assert ours.mean == pytest.approx(statistics.fmean(angles), rel=1e-12)
    assert ours.rmse == pytest.approx(math.sqrt(statistics.fmean(a * a for a in angles)), rel=1e-12)
    assert ours.median == pytest.approx(statistics.median(angles), abs=INTERVAL / 2 + 1e-9)
    expected = [sum(a < limit for a in angles) / len(angles) for limit in (11.25, 22.5, 30)]
    assert [*ours.shares] == expected
    assert (ours.pixels, ours.images) == (len(angles), count)


def test_a_hand_case() -> None:
    truth = np.array([[[0, 0, -1.0]] * 4])
    tilts = np.radians([0, 20, 90, 180])
    found = np.stack([np.sin(tilts), np.zeros(4), -np.cos(tilts)], axis=-1)[None]
    ours = scores_of((found, truth))
    assert (ours.mean, ours.median) == pytest.approx((72.5, 55))
    assert ours.rmse == pytest.approx(math.sqrt((20**2 + 90**2 + 180**2) / 4))
    assert ours.to_json() == {
        **ours.scalars(),
        **{"below_11.25": 0.25, "below_22.5": 0.5, "below_30": 0.5, "pixels": 4, "images": 1},
    }
    assert ours.table().splitlines()[1].split() == [
        *("72.5000", "55.0000", "101.1187", "0.2500", "0.5000", "0.5000")
    ]


def test_every_true_normal_needs_a_prediction() -> None:
    truth = random_normals(0)
    found = truth.copy()
    found[0, :2] = np.nan
    with refuses(DataError, "2 of 126", "NaN"):
        angles_between(found, truth)
    truth[0, :2] = np.nan
    assert angles_between(found, truth).max() < 1e-5
    with refuses(DataError, "1 annotations", "normal"):
        scores_of((found, np.full_like(truth, np.nan)))
