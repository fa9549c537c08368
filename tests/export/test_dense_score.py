"""Errors of exported models against the evaluators of files and tasks."""

from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_dense import tiny_dense

from vision.errors import DataError
from vision.export.depth_score import depth_rmse
from vision.export.normals_score import mean_angle
from vision.metrics.depth import measure_depth
from vision.ops.interpolation import resize_bilinear

GENERATOR = torch.Generator().manual_seed(0)


def batch_of(key: str, target: torch.Tensor) -> dict[str, Any]:
    """Two images whose files have 12 x 16 and 10 x 12 pixels."""
    sizes = torch.tensor([[12, 16], [10, 12]])
    target[1, ..., 10:, :], target[1, ..., 12:] = 0, 0
    return {key: target, "original_size": sizes, "path": ["a.png", "b.png"]}


def test_rmse_is_that_of_each_image_in_the_size_of_its_file() -> None:
    task = tiny_dense(evaluation={"max_depth": 4.0})
    target = 1 + 5 * torch.rand(2, 12, 16, generator=GENERATOR)
    found = 1 + 5 * torch.rand(2, 6, 8, generator=GENERATOR)
    score, batch = depth_rmse(task, None), batch_of("depth", target)
    score.update({"depth": found[:1]}, {key: value[:1] for key, value in batch.items()})
    score.update({"depth": found[1:]}, {key: value[1:] for key, value in batch.items()})
    expected = []
    for one, true, (height, width) in zip(
        found, target, batch["original_size"].tolist(), strict=True
    ):
        large = resize_bilinear(one[None, None], (height, width))[0, 0].numpy()
        errors = measure_depth(large, true[:height, :width].numpy(), task.evaluator.protocol)
        assert errors is not None
        expected.append(errors.values["rmse"])
    assert score.value() == pytest.approx(np.mean(expected))
    assert (score.images, score.better, score.unit) == (2, "lower", "m")
    with refuses(DataError, "0 images", "valid pixel"):
        depth_rmse(task, None).value()


def test_the_mean_angle_is_that_of_all_pixels() -> None:
    wall = torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1, 1)
    tilted = torch.tensor([0.0, -0.6, -0.8]).view(1, 3, 1, 1)
    target = wall.repeat(2, 1, 12, 16)
    found = torch.cat([tilted, wall]).repeat(1, 1, 6, 8)
    score = mean_angle(None, None)
    score.update({"normals": found}, batch_of("normals", target))
    angle = np.degrees(np.arccos(0.8))
    assert score.value() == pytest.approx(angle * 12 * 16 / (12 * 16 + 10 * 12), abs=1e-3)
