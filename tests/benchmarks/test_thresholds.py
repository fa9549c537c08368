"""The baseline of thresholds: what it finds is the best, and its Dice that of its masks."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses

from vision.benchmarks.thresholds import (
    BINS,
    Histograms,
    Limits,
    count_values,
    fit_limits,
    mean_dice,
    measure_thresholds,
    value_edges,
)
from vision.contracts.volumes import IGNORED
from vision.errors import DataError
from vision.metrics.volumes.dice import dice

REGIONS = {"core": (1,), "whole": (1, 2)}
SHAPE = (6, 7, 8)


def subject(seed: int, *, ignored: bool = False) -> dict[str, Any]:
    """Class 1 is bright in the second modality, class 2 between two values of the first."""
    rng = np.random.default_rng(seed)
    mask = rng.choice(3, p=(0.7, 0.1, 0.2), size=SHAPE).astype(np.uint8)
    first = np.array([0.0, 2.0, 1.0])[mask] + rng.normal(0, 0.3, SHAPE)
    second = np.array([0.0, 3.0, 0.5])[mask] + rng.normal(0, 0.3, SHAPE)
    if ignored:
        mask[0] = IGNORED
    affine = torch.diag(torch.tensor([1.0, 1, 2, 1]))
    return {
        "volume": torch.from_numpy(np.stack([first, second])).float(),
        "mask": torch.from_numpy(mask),
        "affine": affine,
        "original_affine": affine,
        "original_size": torch.tensor(SHAPE),
    }


SUBJECTS = [subject(seed) for seed in range(3)]


class Data:
    kind = "volumes"
    regions: Any = None
    class_names = ("background", "one", "two")
    modalities = ("a", "b")
    eval_transform = None

    def index(self, split: str) -> list[Any]:
        return SUBJECTS[:2] if split == "train" else SUBJECTS[2:]

    def make_samples(self, index: list[Any], transform: None) -> list[Any]:
        return index


def masked(one: dict[str, Any], limits: Limits, edges: np.ndarray) -> np.ndarray:
    """The cells of a rule, from the values themselves."""
    values = one["volume"][limits.modality].double().numpy()
    low, high = edges[limits.modality, limits.first], edges[limits.modality, limits.end]
    return (values >= low) & ((values < high) | (limits.end == BINS))


@pytest.mark.parametrize("below", [False, True])
def test_no_other_thresholds_are_better(below: bool) -> None:
    edges = value_edges(SUBJECTS)
    found = count_values(SUBJECTS, REGIONS, edges)
    for k, labels in enumerate(REGIONS.values()):
        truth = [np.isin(one["mask"].numpy(), labels) for one in SUBJECTS]

        def score(limits: Limits, truth: list[np.ndarray] = truth) -> float:
            pairs = zip(SUBJECTS, truth, strict=True)
            return float(np.mean([dice(masked(one, limits, edges), mask) for one, mask in pairs]))

        best = fit_limits(found, k, below=below)
        assert mean_dice(found, k, best) == pytest.approx(score(best), abs=1e-12)
        rng = np.random.default_rng(k)
        for _ in range(60):
            first, end = sorted(rng.choice(BINS + 1, 2, replace=False).tolist())
            other = Limits(int(rng.integers(2)), first, end if below else BINS)
            assert score(other) <= score(best) + 1e-12
        assert best.modality == (1, 0)[k]
        assert best.end == BINS or below


def test_cells_without_a_label_do_not_count() -> None:
    whole, part = subject(5), subject(5, ignored=True)
    edges = value_edges([whole])
    all_cells, known = (count_values([one], REGIONS, edges) for one in (whole, part))
    assert all_cells.all.sum() == 2 * np.prod(SHAPE)
    assert known.all.sum() == 2 * np.prod(SHAPE[1:]) * (SHAPE[0] - 1)


def test_values_are_brought_to_the_grid_of_the_labels() -> None:
    one = subject(6)
    # The model sees the volume from the other side.
    turned = {**one, "volume": one["volume"].flip(1)}
    flip = torch.eye(4)
    flip[0, 0], flip[0, 3] = -1, SHAPE[0] - 1
    turned["affine"] = one["affine"] @ flip
    edges = value_edges([one])
    counts = [count_values([given], REGIONS, edges) for given in (one, turned)]
    np.testing.assert_array_equal(counts[0].inside, counts[1].inside)


def test_the_command_prints_both_ways(capsys: pytest.CaptureFixture[str]) -> None:
    measure_thresholds(data=Data())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Dice", "one", "two"]
    one, two = (float(lines[1].split()[-2]), float(lines[2].split()[-2]))
    assert min(one, two) > 0.9
    # A class between two values needs both thresholds.
    assert float(lines[2].split()[-1]) > float(lines[1].split()[-1]) + 0.1
    assert lines[3].startswith("one, above one threshold: b from ")
    assert " to " in lines[-1]


def test_a_region_that_no_training_subject_has_is_refused() -> None:
    empty = np.zeros((1, 1, 1, BINS), np.int64)
    with refuses(DataError, "no training subject"):
        fit_limits(Histograms(empty[:, 0] + 1, empty), 0, below=False)
    assert np.isnan(mean_dice(Histograms(empty[:, 0] + 1, empty), 0, Limits(0, 0, 1)))
    with refuses(DataError, "there are no training subjects"):
        value_edges([])
    with refuses(DataError, "has no volumes", "BraTS"):
        measure_thresholds(data=SimpleNamespace(kind="depth"))
