"""Every backbone with the head, what the model is, and what an evaluation logs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import (
    CAR,
    NAMES,
    annotate,
    evaluation_batch,
    random_batch,
    tiny_detection3d,
)
from helpers.tiny_models import TINY
from helpers.tiny_monocular import CAMERA, ORIGINAL
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from vision.contracts.detection3d import Boxes3DPrediction
from vision.errors import ConfigError
from vision.optim.optimizers import build_optimizer
from vision.tasks.detection3d import Detection3D


def summed(stage: str, terms: dict[str, Tensor], size: int) -> Tensor:
    return torch.stack(tuple(terms.values())).sum()


@pytest.mark.parametrize("family", TINY)
def test_every_backbone_trains_and_predicts(family: str) -> None:
    task = tiny_detection3d(family, head_options={"score_threshold": 0.0}).train()
    task.log_losses = summed
    task.training_step(random_batch(), 0).backward()
    for name, parameter in task.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
    with torch.no_grad():
        found = task.eval().run(random_batch((65, 97)))
    assert [one["boxes3d"].shape for one in found] == [(4, 7)] * 2


def test_a_batch_without_objects_reaches_every_parameter() -> None:
    task = tiny_detection3d().train()
    task.log_losses = summed
    loss = task.training_step(random_batch(objects=0), 0)
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())


def sure(**options: Any) -> Detection3D:
    """In evaluation and float64, without a smallest score."""
    options = {"score_threshold": 0.0, **options}
    return tiny_detection3d(head_options=options).double().eval()


def assert_same(a: Boxes3DPrediction, b: Boxes3DPrediction) -> None:
    for key in ("boxes3d", "boxes", "alpha", "labels", "scores"):
        torch.testing.assert_close(a[key], b[key], rtol=1e-9, atol=1e-9)  # type: ignore[literal-required]


def test_predictions_do_not_depend_on_the_batch() -> None:
    task, sizes = sure(), torch.tensor([[65, 97], [97, 66], [65, 97]])
    batch: Any = {
        "image": torch.randn(3, 3, 97, 97, generator=torch.Generator().manual_seed(1)).double(),
        "size": sizes,
        "camera": CAMERA.double().expand(3, -1, -1),
        "camera_size": torch.tensor([ORIGINAL, [200, 300], [370, 1224]]),
    }
    with torch.no_grad():
        together = task.run(batch)
        for i, (height, width) in enumerate(sizes.tolist()):
            alone = {key: value[i : i + 1] for key, value in batch.items()}
            alone["image"] = alone["image"][:, :, :height, :width]
            (again,) = task.run(alone)
            assert_same(again, together[i])
    low, high = together[1]["boxes"].split(2, dim=1)
    assert (low >= 0).all()
    assert (high <= torch.tensor([300, 200])).all()


def test_the_task_is_the_model() -> None:
    """Without sizes, the camera is that of the images as they are given."""
    task = sure(exact_rows=True)
    images = torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8)
    camera = torch.tensor([[[80.0, 0, 48, 0], [0, 80, 32, 0], [0, 0, 1, 0]]]).double()
    with torch.no_grad():
        (found,) = task(images.double(), camera)
        # The same image of another that is 3 times as large: all pixels of its camera are, too.
        larger = torch.tensor([[[240.0, 0, 144, 0], [0, 240, 96, 0], [0, 0, 1, 0]]]).double()
        size, original = torch.tensor([[64, 96]]), torch.tensor([[192, 288]])
        (again,) = task(images.double(), larger, size, original)
    torch.testing.assert_close(again["boxes"], 3 * found["boxes"])
    # Depth follows from the focal length of the original in the two, by heights in its pixels.
    torch.testing.assert_close(again["boxes3d"], found["boxes3d"])


def test_the_bins_of_the_head_are_those_of_the_criterion() -> None:
    task: Any = tiny_detection3d(head_options={"bins": {"count": 7, "maximum": 30.0}})
    assert task.criterion.options.bins == task.head.depth_predictor.bins
    assert task.criterion.options.bins.count == 7
    with refuses(ConfigError, "loss_options.bins", "head_options.bins"):
        tiny_detection3d(loss_options={"bins": {"count": 7}})
    with refuses(ConfigError, "detector='monodeter'", "'monodetr'"):
        tiny_detection3d(detector="monodeter")


def test_only_biases_have_no_decay_and_the_rate_falls_twice() -> None:
    task = tiny_detection3d()
    free, decayed = [], []
    names = {id(p): name for name, p in task.named_parameters()}
    for group in build_optimizer(task, task.optim).param_groups:
        side = decayed if group["weight_decay"] else free
        side += [names[id(p)] for p in group["params"]]
    assert all(name.endswith("bias") for name in free)
    assert not any(name.endswith("bias") for name in decayed)
    assert len(free) + len(decayed) == len(names)
    assert (task.optim.lr, task.optim.weight_decay, task.optim.gamma) == (2e-4, 1e-4, 0.1)
    assert [*task.optim.milestones] == [125, 165]


class Truths(LightningDataModule):
    """An epoch of hand-made batches of evaluation, of which cars and cyclists are learned."""

    class_names, kind = NAMES, "detection3d"
    trained_names = ("Car", "Cyclist")

    def val_dataloader(self) -> DataLoader:
        batch = evaluation_batch()
        batch["image"] = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
        return DataLoader([batch] * 3, batch_size=None)


class Seer(Detection3D):
    """Finds what is annotated, with the car of the second image at another place."""

    def run(self, batch: Any) -> list[Boxes3DPrediction]:
        found = copy.deepcopy(batch["truth"])
        found[1]["boxes3d"][:, 0] += 0.6
        scores = [torch.linspace(0.9, 0.5, len(one["labels"])) for one in found]
        return [{**one, "scores": score} for one, score in zip(found, scores, strict=True)]


def test_an_evaluation_logs_the_classes_that_are_learned(tmp_path: Path) -> None:
    task = tiny_detection3d()
    task.__class__ = Seer
    (logged,) = quiet_trainer(tmp_path).validate(task, Truths(), verbose=False)
    # An image that comes again counts once.
    assert task.kitti_result is not None
    assert task.kitti_result.images == 2
    assert task.kitti_result.objects.tolist() == [[2, 2, 2], [1, 1, 1]]
    # Two cars give two thresholds, those of recalls 0 and 1/40; both are found in the image.
    assert logged["val/AP_2D"] == pytest.approx(1 / 40)
    # 0.6 m to the side leaves an overlap between 0.5 and 0.7.
    assert logged["val/AP_BEV_50"] == pytest.approx(1 / 40)
    assert logged["val/AP_BEV"] == logged["val/AP_3D"] == 0
    metrics = {name for name in logged if not name.endswith("_Cyclist")}
    assert metrics == {
        *(f"val/AP_{kind}" for kind in ("2D", "BEV", "3D", "BEV_50", "3D_50")),
        *("val/AOS", "val/AP_3D_easy", "val/AP_3D_hard"),
    }
    assert {"val/AP_3D_Cyclist", "val/AP_3D_25_Cyclist"} <= {*logged}


def test_classes_that_the_benchmark_does_not_know_are_refused() -> None:
    task = tiny_detection3d(num_classes=1, class_names=["Boat"], head_options={"mean_sizes": None})
    truth = annotate(CAR, ["Boat"])
    task.evaluator.update(0, {**truth, "scores": torch.ones(1)}, truth, ["Boat"])
    with refuses(ConfigError, "Boat", "Car, Pedestrian, Cyclist", "class_names"):
        task.evaluator.compute(["Boat"])
