"""What the first batch of clouds needs."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_point_task import COUNTS, NORMALS, evaluation_batch, tiny_points, training_batch

from vision.errors import DataError
from vision.tasks.points import PointSegmentation

VOXELS = sum(COUNTS)
COORDS = training_batch()["coords"]


@pytest.fixture(scope="module")
def task() -> PointSegmentation:
    return tiny_points()


def test_whole_batches_pass(task: PointSegmentation) -> None:
    task.check_batch(training_batch(), "train")
    task.check_batch(evaluation_batch(), "val")
    batch: Any = evaluation_batch()
    del batch["label"]
    task.check_batch(batch, "predict")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"coords": COORDS.long()}, ["batch['coords']", "int64", "float32 (V, 3)"]),
        ({"coords": COORDS.T}, ["batch['coords']", "(V, 3)"]),
        ({"coords": COORDS * torch.nan}, ["batch['coords']", "NaN"]),
        ({"coords": COORDS - 4}, ["batch['coords']", "lowest corner"]),
        ({"coords": COORDS / 4}, ["one point in each voxel", "metres"]),
        ({"counts": torch.tensor([60, 45])}, ["sums to 105", "115 voxels"]),
        ({"counts": torch.tensor([115, 0])}, ["batch['counts']", "1 or more"]),
        ({"counts": torch.tensor([70.0, 45])}, ["batch['counts']", "int64 (B,)"]),
        ({"colors": torch.rand(VOXELS, 3)}, ["batch['colors']", "255 * colors"]),
        ({"colors": torch.zeros(VOXELS, 3)}, ["batch['colors']", "uint8"]),
        ({"colors": torch.zeros(9, 3, dtype=torch.uint8)}, ["batch['colors']", "(115, 3)"]),
        ({"label": torch.full((VOXELS,), 7)}, ["class 7", "0 to 2", "num_classes"]),
        ({"label": torch.full((VOXELS,), -1)}, ["class -1"]),
        ({"label": torch.zeros(VOXELS)}, ["batch['label']", "long()"]),
        ({"label": torch.zeros(9, dtype=torch.int64)}, ["batch['label']", "(115,)", "voxels"]),
    ],
)
def test_training_batches_that_do_not_fit(
    task: PointSegmentation, changes: dict[str, Any], parts: list[str]
) -> None:
    with refuses(DataError, *parts):
        task.check_batch({**training_batch(), **changes}, "train")


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"voxel_of": torch.zeros(251)}, ["batch['voxel_of']", "int64 (P,)"]),
        ({"voxel_of": torch.full((251,), 114)}, ["batch['voxel_of']", "clouds before"]),
        ({"point_counts": torch.tensor([1, 1])}, ["sums to 2", "251 points"]),
        ({"label": torch.zeros(VOXELS, dtype=torch.int64)}, ["batch['label']", "(251,)", "points"]),
        ({"room": ["first"]}, ["batch['room']", "2 texts"]),
        ({"path": None}, ["batch['path']", "NoneType"]),
    ],
)
def test_evaluation_batches_that_do_not_fit(
    task: PointSegmentation, changes: dict[str, Any], parts: list[str]
) -> None:
    with refuses(DataError, *parts):
        task.check_batch({**evaluation_batch(), **changes}, "val")


def test_a_model_of_normals_needs_them() -> None:
    task = tiny_points(backbone_options=NORMALS)
    with refuses(DataError, "normals"):
        task.check_batch(training_batch(), "train")
    normals = torch.full((VOXELS, 3), 3**-0.5)
    task.check_batch({**training_batch(), "normals": normals}, "train")
    with refuses(DataError, "batch['normals']", "(115, 3)"):
        task.check_batch({**training_batch(), "normals": normals[:9]}, "train")
