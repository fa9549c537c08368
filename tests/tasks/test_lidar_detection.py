"""Boxes in sweeps of a lidar: what is learned and found, what a batch may be, what is logged."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import NAMES, tiny_detection3d
from helpers.tiny_detection3d import random_batch as image_batch
from helpers.tiny_lidar import (
    CAR,
    CYCLIST,
    GRID,
    evaluated_sweeps,
    lidar_batch,
    sure_lidar,
    tiny_lidar,
)
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import LightningDataModule
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader

import vision
from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.errors import ConfigError
from vision.ops.boxes3d import move_boxes
from vision.tasks.detection3d import Detection3D
from vision.weights.names.write import to_naming


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize("objects", [0, 1])
def test_every_parameter_learns(objects: int) -> None:
    task = tiny_lidar().train()
    task.log_losses = summed
    loss = task.training_step(task.prepare(lidar_batch(objects=objects)), 0)
    loss.backward()
    assert loss.isfinite()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_batch_gives_what_its_sweeps_give_one_by_one() -> None:
    """One of them is empty, and points outside the range change nothing."""
    task = sure_lidar().double()
    batch = lidar_batch(counts=(300, 200, 0, 250))
    sweeps = batch["points"].double().split(batch["counts"].tolist())
    outside = torch.tensor([[5.0, 9, 0, 0], [-1, 0, 0, 0], [5, 0, 2, 0]]).double()
    with torch.no_grad():
        together = task(batch["points"].double(), batch["counts"])
        alone = [task(torch.cat([outside, sweep]))[0] for sweep in sweeps]
    assert len(sweeps[2]) == 0
    for one, again in zip(together, alone, strict=True):
        assert len(one["scores"]) >= 10
        for key in ("boxes3d_lidar", "labels", "scores"):
            torch.testing.assert_close(one[key], again[key], rtol=1e-9, atol=1e-9)


def test_boxes_are_in_both_frames_and_in_the_image() -> None:
    task, batch = sure_lidar(), evaluated_sweeps()
    with torch.no_grad():
        found = task.predict_step(task.prepare(dict(batch)), 0)
    assert [one["path"] for one in found] == batch["path"]
    for i, one in enumerate(found):
        moved = move_boxes(one["boxes3d_lidar"], batch["lidar_to_camera"][i], LIDAR, CAMERA)
        torch.testing.assert_close(one["boxes3d"], moved, rtol=1e-4, atol=1e-4)
        low, high = one["boxes"].split(2, dim=1)
        assert (low >= 0).all()
        assert (high <= torch.tensor([1224, 370])).all()
        assert (one["scores"].diff() <= 0).all()


def test_a_batch_may_have_images_and_points() -> None:
    both = {**image_batch(), **lidar_batch()}
    for task, target in ((tiny_detection3d(), image_batch()), (tiny_lidar(), lidar_batch())):
        batch: dict[str, Any] = {**both, **target}
        task.check_batch({**batch, "image": batch["image"] * 0}, "train")
        assert task.scene.losses(task.prepare(batch))


def test_backbones_and_options_of_the_other_input_are_refused() -> None:
    with refuses(ConfigError, "detector='centerpoint'", "points", "'swin_tiny'", "images"):
        tiny_lidar(backbone="swin_tiny")
    with refuses(ConfigError, "detector='monodetr'", "images", "'flatformer_128'", "points"):
        Detection3D("flatformer_128", detector="monodetr")
    with refuses(ConfigError, "'centerpoint'", "Linear", "flatformer_128"):
        tiny_lidar(backbone=torch.nn.Linear(2, 2), backbone_options=None)
    with refuses(ConfigError, "compile=True", "'centerpoint'", "sweep to sweep"):
        tiny_lidar(compile=True)
    with refuses(ConfigError, "mean", "images", "leave them out"):
        tiny_lidar(mean=[0.5])
    with refuses(ConfigError, "reader_options", "points", "leave them out"):
        tiny_detection3d(reader_options={"in_channels": 4})
    with refuses(ConfigError, "head_options.grid", "reader_options.grid"):
        tiny_lidar(head_options={"grid": GRID})
    with refuses(ConfigError, "reader_options.channels", "8", "16", "backbone_options.dim"):
        tiny_lidar(reader_options={"channels": [4, 8]})
    with refuses(ConfigError, "sparse_shape", "32 x 32"):
        tiny_lidar(backbone_options={"dim": 16, "num_heads": 2, "normalize_pos": True})
    with refuses(ConfigError, "reader_options.grod", "grid"):
        tiny_lidar(reader_options={"grod": GRID})


class Sweeps(LightningDataModule):
    """Hand-made batches, for training and for evaluation."""

    class_names, kind = NAMES, "detection3d"

    def train_dataloader(self) -> DataLoader:
        return DataLoader([lidar_batch()] * 2, batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader([evaluated_sweeps()], batch_size=None)

    def predict_dataloader(self) -> DataLoader:
        return self.val_dataloader()


class Seer(Detection3D):
    """Finds what is annotated."""

    def run(self, batch: Any) -> Any:
        found = copy.deepcopy(batch["truth"])
        scores = [torch.linspace(0.9, 0.5, len(one["labels"])) for one in found]
        boxes = [torch.cat([CAR, CYCLIST]), CAR[:0]]
        return [
            {**one, "scores": score, "boxes3d_lidar": box}
            for one, score, box in zip(found, scores, boxes, strict=True)
        ]


def test_an_evaluation_is_that_of_kitti(tmp_path: Path) -> None:
    task = tiny_lidar()
    task.__class__ = Seer
    (logged,) = quiet_trainer(tmp_path).validate(task, Sweeps(), verbose=False)
    assert task.kitti_result is not None
    assert task.kitti_result.images == 2
    # One car gives one threshold, that of recall 0, which R40 leaves out.
    assert logged["val/AP_3D"] == logged["val/AP_3D_50"] == 0
    assert task.kitti_result.objects.sum() > 0


def test_fit_resume_save_load_and_predict(tmp_path: Path) -> None:
    task = tiny_lidar(ema_decay=0.9)
    quiet_trainer(tmp_path, max_epochs=1).fit(task, Sweeps())
    assert task.trainer.global_step == 2
    file = tmp_path / "last.ckpt"
    task.trainer.save_checkpoint(file)
    again = tiny_lidar(ema_decay=0.9)
    quiet_trainer(tmp_path, max_epochs=2).fit(again, Sweeps(), ckpt_path=file)
    assert again.trainer.global_step == 4
    model = vision.load(file)
    assert (model.kind, model.class_names) == ("detection3d", tuple(NAMES))
    assert model.description["hyper_parameters"]["reader_options"]["grid"] == GRID
    found = quiet_trainer(tmp_path).predict(model.task, Sweeps())
    batch = evaluated_sweeps()
    with torch.no_grad():
        expected = model.task.run(model.task.prepare(dict(batch)))
    for one, same in zip(found[0], expected, strict=True):
        torch.testing.assert_close(one["scores"], same["scores"])


def test_a_detector_of_the_authors_is_a_start(tmp_path: Path) -> None:
    file = tmp_path / "authors.safetensors"
    save_file({k: v.contiguous() for k, v in to_naming(tiny_lidar(), "official").items()}, file)
    # Other weights than those that every small model begins with.
    again = tiny_lidar(weights=str(file), seed=1)
    for name, value in tiny_lidar().state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_norms_have_no_decay_if_the_recipe_says_so() -> None:
    task = tiny_lidar(optim={"no_decay": "norms", "weight_decay": 0.05, "lr": 1e-3})
    free = task._undecayed
    assert free
    assert all("norm" in name for name in free)
