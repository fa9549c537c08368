"""A real photograph with real metric depth: read, measured, learnt, and projected into its twin."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_dense import tiny_dense

from vision.data import DenseAugment, DepthFolder, NormalsFolder
from vision.data.synthetic.motorcycle import (
    BASELINE_M,
    OFFSET_PX,
    MotorcycleSample,
    read_motorcycle,
    write_motorcycle,
)
from vision.metrics.depth import measure_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.ops.camera import back_project, project

pytest.importorskip("skimage", reason="scikit-image has the photograph")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photo") / "motorcycle"
    assert write_motorcycle(folder, MotorcycleSample()) == {"train": (1, 1), "val": (1, 1)}
    return folder


@pytest.fixture(scope="module")
def sample(root: Path) -> dict:
    data = DepthFolder(root=root, num_workers=0)
    data.setup("validate")
    assert data.val_dataset is not None
    return data.val_dataset[0]


def test_the_depth_is_that_of_the_disparity(sample: dict) -> None:
    depth = sample["depth"].numpy()
    known = depth > 0
    assert depth.shape == (500, 741)
    # 27,226 of its pixels have the disparity +inf.
    assert (~known).sum() == 27_226
    assert depth[known].min() == pytest.approx(2.110, abs=1e-3)
    assert depth[known].max() == pytest.approx(5.017, abs=1e-3)
    assert np.median(depth[known]) == pytest.approx(2.750, abs=1e-3)


def test_its_points_are_seen_in_the_right_image(sample: dict) -> None:
    pair = read_motorcycle()
    depth, camera = sample["depth"].numpy(), sample["camera"].numpy().astype(np.float64)
    points = back_project(depth, camera)
    # The right camera stands to the right, and its principal point is farther right.
    points[..., 0] -= BASELINE_M
    camera[2] += OFFSET_PX
    known = depth > 0
    seen = np.rint(project(points[known], camera)).astype(int)
    inside = (seen[:, 0] >= 0) & (seen[:, 0] < depth.shape[1])
    grey_left, grey_right = (image.mean(axis=-1) for image in (pair.left, pair.right))
    values = grey_left[known][inside]
    columns, rows = seen[inside].T
    shifted = np.abs(values - grey_right[rows, columns]).mean()
    unshifted = np.abs(values - grey_right[known][inside]).mean()
    assert shifted < 9
    assert unshifted > 35


def test_a_perturbed_copy_has_the_errors_that_follow(sample: dict) -> None:
    truth = sample["depth"].numpy().astype(np.float64)
    found = np.where(np.arange(truth.shape[1]) % 2, 1.1, 0.8) * truth
    errors = measure_depth(found, truth, DepthProtocol())
    assert errors is not None
    near, values = np.nonzero(truth)[1] % 2 == 0, errors.values
    share = near.mean()
    assert values["abs_rel"] == pytest.approx(0.2 * share + 0.1 * (1 - share), rel=1e-9)
    squares = np.log(0.8) ** 2 * share + np.log(1.1) ** 2 * (1 - share)
    assert values["rmse_log"] == pytest.approx(np.sqrt(squares), rel=1e-9)
    assert values["delta2"] == 1
    known = truth[truth > 0]
    constant = measure_depth(np.full_like(truth, np.median(known)), truth, DepthProtocol())
    assert constant is not None
    assert constant.values["abs_rel"] == pytest.approx(0.212, abs=1e-3)


def test_its_normals_face_the_camera(root: Path) -> None:
    data = NormalsFolder(root=root, from_depth=True, window=5, num_workers=0)
    targets = data.index("val").load(0).targets
    assert targets is not None
    assert targets.normals is not None
    normals = torch.from_numpy(targets.normals)
    known = (normals != 0).any(dim=0)
    assert 0.85 < known.float().mean() < 0.93
    assert (normals[2][known] < 0).float().mean() > 0.99
    # The floor, at the lower right, is level up to the pitch of the camera.
    floor = normals[:, 440:490, 600:720].reshape(3, -1)
    level = torch.nn.functional.normalize(floor.median(dim=1).values, dim=0)
    assert level[1] < -0.8


def test_steps_on_it_lower_the_loss(root: Path) -> None:
    augment = DenseAugment(short_side=48, long_side=72, scale=(1, 1), hflip=0, photometric=False)
    data = DepthFolder(root=root, augment=augment, batch_size=1, num_workers=0)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    torch.manual_seed(0)
    task = tiny_dense().train()
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = task.training_step(task.on_after_batch_transfer(dict(batch), 0), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.7 * losses[0]
