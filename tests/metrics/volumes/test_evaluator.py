"""Subjects measured over an epoch: means, rows, cells that do not count, several processes."""

import json
import math

import numpy as np
import pytest
import torch
from helpers.random_volumes import random_masks
from helpers.refusals import refuses
from monai.metrics import DiceMetric, HausdorffDistanceMetric

from vision.errors import ConfigError, DataError
from vision.metrics.volumes import evaluator as evaluator_file
from vision.metrics.volumes.evaluator import VolumeEvaluator
from vision.metrics.volumes.table import VolumeScores

NAMES = ("TC", "WT", "ET")
SPACING = (1.0, 2.0, 1.5)


def evaluated(seeds: list[int], **options: object) -> VolumeEvaluator:
    evaluator = VolumeEvaluator(NAMES, **options)
    for seed in seeds:
        found, truth = random_masks(seed)
        truth[2] &= seed != 1  # subject 1 has no ET
        evaluator.update(f"subject {seed}", torch.from_numpy(found), truth, None, SPACING)
    return evaluator


def numbers(scores: VolumeScores) -> str:
    return json.dumps([scores.scalars(), scores.rows(), scores.to_json()])


def test_the_means_are_monais() -> None:
    scores = evaluated([0, 1, 2]).compute(all_processes=False)
    dice = DiceMetric(include_background=True, reduction="mean_batch")
    distance = HausdorffDistanceMetric(
        include_background=True, percentile=95, reduction="mean_batch"
    )
    for seed in range(3):
        found, truth = (torch.from_numpy(masks)[None].float() for masks in random_masks(seed))
        truth[:, 2] *= seed != 1
        dice(found, truth)
        if seed != 1:  # MONAI's distance to an empty truth is infinite
            distance(found, truth, spacing=SPACING)
    values = scores.scalars()
    assert [values[f"Dice_{name}"] for name in NAMES] == pytest.approx(
        dice.aggregate().tolist(), rel=1e-6
    )
    assert values["Dice"] == pytest.approx(float(dice.aggregate().mean()), rel=1e-6)
    assert values["HD95_ET"] == pytest.approx(float(distance.aggregate()[2]), rel=1e-6)
    assert [row["labelled"] for row in scores.regions()] == [3, 3, 2]
    assert [row["invented"] for row in scores.regions()] == [0, 0, 1]


def test_rows_and_volumes_of_a_case_worked_by_hand() -> None:
    found, truth = np.zeros((2, 1, 10, 10, 10), dtype=bool)
    found[0, :4], truth[0, 2:4] = True, True
    evaluator = VolumeEvaluator(["liver"])
    evaluator.update("b", found, truth, None, (1, 2, 5))
    evaluator.update("a", np.zeros_like(found), truth, None, (1, 2, 5))
    scores = evaluator.compute(all_processes=False)
    # 400 and 200 cells of 0.01 ml; the first layer of the prediction is 2 mm from the truth.
    row = scores.rows()[1]
    assert 0 < row.pop("ASD_liver") < 2
    assert row == {
        "subject": "b",
        "Dice": 2 / 3,
        "Dice_liver": 2 / 3,
        "HD95_liver": 2.0,
        "found_ml_liver": 4.0,
        "truth_ml_liver": 2.0,
    }
    assert scores.rows()[0]["HD95_liver"] is None
    assert scores.scalars()["VolumeError"] == 2.0
    assert scores.missed.tolist() == [1]
    assert scores.table().splitlines()[0].split("  ")[-1].strip() == "invented"
    assert [line.split()[:2] for line in scores.table().splitlines()][2] == ["liver", "0.3333"]


def test_cells_that_do_not_count_are_in_neither_mask() -> None:
    found, truth = random_masks(0)
    valid = np.ones(found.shape[1:], dtype=bool)
    valid[:6] = False
    with_mask, without = VolumeEvaluator(NAMES), VolumeEvaluator(NAMES)
    with_mask.update("a", found, truth, valid, SPACING)
    without.update("a", found & valid, truth & valid, None, SPACING)
    assert numbers(with_mask.compute()) == numbers(without.compute())


def test_processes_share_subjects_and_each_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = evaluated([0, 1, 2, 3])
    first, second = evaluated([2, 0, 1]), evaluated([3, 0])
    shares = [first._subjects, second._subjects]
    monkeypatch.setattr(evaluator_file, "gather_shares", lambda share: shares)
    expected = numbers(alone.compute(all_processes=False))
    assert numbers(first.compute()) == numbers(second.compute()) == expected


def test_a_truth_that_is_empty_everywhere_has_no_mean_or_the_best() -> None:
    nothing = np.zeros((1, 4, 4, 4), dtype=bool)
    for empty, dice in (("skip", math.nan), ("brats", 1.0)):
        evaluator = VolumeEvaluator(["ET"], empty=empty, distances=False)
        evaluator.update("a", nothing, nothing, None, (1, 1, 1))
        scalars = evaluator.compute().scalars()
        assert [scalars["Dice"], scalars["Dice_ET"]] == pytest.approx([dice, dice], nan_ok=True)
        assert "HD95" not in scalars
    evaluator.reset()
    assert len(evaluator) == 0
    assert math.isnan(evaluator.compute().scalars()["Dice"])


def test_what_does_not_fit_is_refused_with_the_subject() -> None:
    evaluator = VolumeEvaluator(NAMES)
    masks = np.zeros((3, 4, 4, 4), dtype=bool)
    with refuses(DataError, "'p7'", "(3, 4, 4, 5)", "(3, 4, 4, 4)", "TC, WT, ET"):
        evaluator.update("p7", np.zeros((3, 4, 4, 5), dtype=bool), masks, None, SPACING)
    with refuses(DataError, "'p7'", "(2, 4, 4, 4)"):
        evaluator.update("p7", masks[:2], masks[:2], None, SPACING)
    assert len(evaluator) == 0
    with refuses(ConfigError, "'brat'", "'brats'", "skip"):
        VolumeEvaluator(NAMES, empty="brat")
