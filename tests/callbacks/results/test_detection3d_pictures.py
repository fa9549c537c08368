"""Pictures and records of boxes in space: which images, and from which detections."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.boxes3d_evaluation import Streets, evaluated
from helpers.tiny_detection3d import NAMES
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import LightningDataModule, LightningModule
from PIL import Image
from torch.utils.data import DataLoader

from vision.callbacks.results.detection3d_images import draw_found, score_evaluated
from vision.callbacks.results.detection3d_pictures import Boxes3DPictures
from vision.callbacks.results.detection3d_records import Boxes3DRecorder
from vision.ops.lidar_predictions import looking_ahead


class Data(LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        self.val_dataset: Any = Streets()

    def val_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(1, 1))


class Task(LightningModule):
    """Has evaluated the images before."""

    class_names = NAMES

    def __init__(self) -> None:
        super().__init__()
        self.evaluator = evaluated()
        self.kitti_result = self.evaluator.compute(["Car"])

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        pass


def test_the_farther_objects_are_moved_the_worse_an_image_is() -> None:
    images = evaluated().gather()
    scored = score_evaluated(images, ["Car"], Streets().paths)
    assert [one.objects for one in scored] == [2, 2, 2, 0, 2]
    assert [one.name for one in scored][:2] == ["000000.png", "000001.png"]
    assert scored[0].score == pytest.approx(1)
    assert scored[0].score > scored[1].score > scored[4].score == 0
    # Pedestrians are where they should be in the first image alone.
    both = score_evaluated(images, ["Car", "Pedestrian"], None)
    assert [one.objects for one in both] == [3, 3, 3, 1, 3]
    assert both[0].score == pytest.approx(1)


def test_the_best_and_the_worst_images_are_drawn(tmp_path: Path) -> None:
    pictures = Boxes3DPictures(tmp_path / "validation", examples=1)
    trainer = quiet_trainer(tmp_path, callbacks=[pictures])
    trainer.validate(Task(), Data(), verbose=False)
    files = sorted(path.name for path in (tmp_path / "validation").iterdir())
    assert files == ["best_0.png", "examples.png", "random_0.png", "worst_0.png"]
    best, worst = (
        np.asarray(Image.open(tmp_path / "validation" / f"{kind}_0.png"))
        for kind in ("best", "worst")
    )
    # Their grey values are those of the first and of the last image.
    assert (best[200, 100] == 0).all()
    assert (worst[200, 100] == 80).all()


def test_without_examples_nothing_is_drawn(tmp_path: Path) -> None:
    data = Data()
    data.val_dataset = torch.zeros(1, 1)
    pictures = Boxes3DPictures(tmp_path / "validation")
    quiet_trainer(tmp_path, callbacks=[pictures]).validate(Task(), data, verbose=False)
    assert not (tmp_path / "validation").exists()


def test_the_record_has_what_the_task_evaluated() -> None:
    task: Any = Task()
    recorder = Boxes3DRecorder()
    recorder.begin(SimpleNamespace(), task, None)  # type: ignore[arg-type]
    record = recorder.finish(SimpleNamespace(), task)  # type: ignore[arg-type]
    assert list(record.images) == [0, 1, 2, 3, 4]
    assert record.result is task.kitti_result
    truth, found = record.images[2]
    assert len(truth.classes) == len(found.classes) == 3
    assert found.locations[0, 2] == pytest.approx(20 * 1.1)


class Sweeps(Streets):
    """The same objects, seen by a lidar in the place of the camera."""

    def example(self, place: int) -> Any:
        one = super().example(place)
        points = torch.rand(200, 4, generator=torch.Generator().manual_seed(place)) * 20
        return SimpleNamespace(
            points=points, lidar_to_camera=looking_ahead(), camera=one.camera, truth=one.truth
        )


def test_sweeps_are_drawn_from_above() -> None:
    images, dataset = evaluated().gather(), Sweeps()
    drawn = draw_found(dataset.example(0), images, 0, NAMES, None)
    assert max(drawn.shape) == 960
    # Every object was found where it is: the true ones are drawn dashed over them.
    assert (drawn == 255).all(axis=2).sum() > 50
