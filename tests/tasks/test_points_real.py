"""A small model on the points of a photographed motorcycle, after a few steps of training."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("skimage")

import torch
from helpers.tiny_point_task import tiny_points
from torch import Tensor, nn

from vision.data.base.point_samples import make_sample
from vision.data.loading.collate_points import collate_points
from vision.data.synthetic.motorcycle import read_motorcycle
from vision.data.transforms.clouds import Cloud
from vision.data.transforms.rooms import PointEvalTransform
from vision.ops.camera import back_project
from vision.predict.model import Model

VOXEL_M = 0.08


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    """Points in metres with z up, their colours, and whether they lie in the upper half."""
    pair = read_motorcycle()
    height, width = pair.depth.shape
    camera = np.array([width, width, width / 2, height / 2])
    known = pair.depth > 0
    points = back_project(pair.depth, camera)[known][::23]
    points = points @ np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    label = (points[:, 2] > np.median(points[:, 2])).astype(np.int64)
    return Cloud(points, pair.left[known][::23], None, label)


@pytest.fixture(scope="module")
def model(cloud: Cloud) -> Model:
    """A model that has been trained on the voxels of the cloud for a few steps."""
    task = tiny_points(num_classes=2, class_names=["low", "high"]).train()
    task.log_losses = summed  # type: ignore[method-assign]
    batch: Any = collate_points([sample_of(cloud)])
    # One label for each voxel, that of its first point.
    first = torch.full((len(batch["coords"]),), -1)
    first[batch["voxel_of"].flip(0)] = batch["label"].flip(0)
    batch["label"] = first
    for module in task.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = 0.5  # the averages of a few steps are those of the last ones
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    for step in range(8):
        loss = task.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    task.preprocessing = {"voxel_size": VOXEL_M}
    return Model(task, task.describe())


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


def sample_of(cloud: Cloud) -> Any:
    changed = PointEvalTransform(voxel_size=VOXEL_M).change(cloud)
    return make_sample(changed, path="motorcycle", room="motorcycle")


def test_points_get_the_class_of_their_voxel(model: Model, cloud: Cloud) -> None:
    result: Any = model.predict_image(cloud)
    voxel_of = sample_of(cloud)["voxel_of"]
    by_voxel = torch.full((int(voxel_of.max()) + 1,), -1)
    by_voxel[voxel_of] = result.labels
    assert len(by_voxel) > 500
    assert (by_voxel >= 0).all()
    assert torch.equal(by_voxel[voxel_of], result.labels)
    # It has learned something, and both classes are there.
    assert (result.labels.numpy() == cloud.label).mean() > 0.6
    assert result.labels.unique().numel() == 2


def test_the_order_and_the_place_of_the_points_change_nothing(model: Model, cloud: Cloud) -> None:
    result: Any = model.predict_image(cloud)
    order = np.random.default_rng(1).permutation(len(cloud.points))
    shuffled: Any = model.predict_image(cloud.take(order))
    assert torch.equal(result.labels[order], shuffled.labels)
    # A whole number of voxels further on along each axis.
    moved = cloud._replace(points=cloud.points + np.array([100, -50, 25]) * VOXEL_M)
    again: Any = model.predict_image(moved)
    assert (again.labels == result.labels).float().mean() > 0.99
