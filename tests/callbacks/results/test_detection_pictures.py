"""Pictures of detections: which images are chosen, and from which predictions."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import LightningDataModule, LightningModule
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vision.callbacks.results.detection_pictures import (
    DetectionPictures,
    score_images,
    unpack_found,
)
from vision.callbacks.results.examples import Scored, choose_images
from vision.metrics.coco.metric import CocoEvaluator, pack_prediction

COUNT = 9
BOX = torch.tensor([[8.0, 8.0, 30.0, 30.0]])


class FakeSamples:
    """Image i has one object of class 0, image 4 none; image ids are 100 + i."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.index = SimpleNamespace(
            image_ids=np.arange(100, 100 + COUNT), class_names=("cat", "dog"), objects=self.objects
        )

    def objects(self, place: int) -> SimpleNamespace:
        count = 0 if place == 4 else 1
        return SimpleNamespace(
            boxes=BOX.numpy()[:count], labels=np.zeros(count, np.int32), crowd=np.zeros(count, bool)
        )

    def example(self, place: int) -> tuple[Tensor, dict[str, Tensor]]:
        self.asked.append(place)
        count = 0 if place == 4 else 1
        target = {
            "boxes": BOX[:count],
            "labels": torch.zeros(count, dtype=torch.int64),
            "iscrowd": torch.zeros(count, dtype=torch.bool),
            "area": torch.zeros(count),
            "image_id": torch.tensor(100 + place),
        }
        return torch.full((3, 40, 48), 20 * place, dtype=torch.uint8), target


class FakeData(LightningDataModule):
    def __init__(self) -> None:
        super().__init__()
        self.val_dataset: Any = FakeSamples()

    def train_dataloader(self) -> DataLoader:
        return DataLoader(torch.zeros(2, 1))

    def val_dataloader(self) -> DataLoader:
        return DataLoader(torch.arange(COUNT), batch_size=2)


class FakeTask(LightningModule):
    """Finds the objects of the images 0 to 4, and another class on those after."""

    monitor = ("val/box_AP", "max")

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.evaluator = CocoEvaluator(masks=True)
        self.steps = 0

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch).sum()

    def on_validation_epoch_start(self) -> None:
        self.evaluator.reset()

    def on_validation_epoch_end(self) -> None:
        self.log("val/box_AP", 0.5)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.steps += 1
        predictions = [
            {
                "boxes": BOX[: int(i != 4)],
                "labels": torch.full((int(i != 4),), int(i > 4)),
                "scores": torch.full((int(i != 4),), 0.9),
                "masks": torch.ones(int(i != 4), 40, 48, dtype=torch.bool),
            }
            for i in batch.tolist()
        ]
        self.evaluator.update(batch + 100, predictions)


def test_validate_draws_the_best_the_worst_and_others(tmp_path: Path) -> None:
    task, data = FakeTask(), FakeData()
    trainer = quiet_trainer(tmp_path, callbacks=[DetectionPictures(tmp_path / "new", examples=2)])
    trainer.validate(task, data, verbose=False)
    names = [f"{kind}_{i}.png" for kind in ("best", "random", "worst") for i in range(2)]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(
        [*names, "examples.png"]
    )
    asked = data.val_dataset.asked
    assert len(asked) == len(set(asked)) == 6
    assert asked[:4] == [0, 1, 5, 6]
    with Image.open(tmp_path / "new" / "examples.png") as picture:
        assert min(picture.size) > 400
        assert np.asarray(picture.convert("RGB")).std() > 20
    assert task.steps == 5


def test_a_part_of_the_set_leaves_the_pictures_of_the_whole(tmp_path: Path) -> None:
    trainer = quiet_trainer(
        tmp_path, callbacks=[DetectionPictures(tmp_path / "new", examples=1)], limit_val_batches=2
    )
    trainer.validate(FakeTask(), FakeData(), verbose=False)
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "new_part" / "examples.png").is_file()


def test_training_draws_its_best_epoch_and_runs_nothing_again(tmp_path: Path) -> None:
    task, data = FakeTask(), FakeData()
    trainer = quiet_trainer(
        tmp_path, callbacks=[DetectionPictures(tmp_path / "new", examples=1)], max_epochs=2
    )
    trainer.fit(task, data)
    assert len(data.val_dataset.asked) == 3
    assert task.steps == 2 * 5
    assert (tmp_path / "new" / "examples.png").exists()


@pytest.mark.parametrize("case", ["no validation", "no evaluator", "no examples"])
def test_nothing_is_drawn_where_there_is_nothing(tmp_path: Path, case: str) -> None:
    task, data = FakeTask(), FakeData()
    options = {"limit_val_batches": 0} if case == "no validation" else {}
    if case == "no evaluator":
        task.evaluator = None
        task.validation_step = lambda batch, batch_idx: None
        task.on_validation_epoch_start = lambda: None
    if case == "no examples":
        data.val_dataset = torch.arange(COUNT)
    trainer = quiet_trainer(
        tmp_path, callbacks=[DetectionPictures(tmp_path / "new")], max_epochs=1, **options
    )
    trainer.fit(task, data)
    assert not (tmp_path / "new").exists()


def test_only_images_with_predictions_are_scored() -> None:
    masks = torch.zeros(1, 40, 48, dtype=torch.bool)
    right = {
        "boxes": BOX,
        "labels": torch.zeros(1, dtype=torch.int64),
        "scores": torch.ones(1),
        "masks": masks,
    }
    wrong = {**right, "labels": torch.ones(1, dtype=torch.int64)}
    found = {101: pack_prediction(right, masks=True), 104: pack_prediction(wrong, masks=True)}
    assert list(score_images(FakeSamples().index, found)) == [Scored(1, 1.0, 1), Scored(4, 0.0, 0)]


def test_images_are_chosen_by_score_then_by_objects_and_once() -> None:
    scored = [Scored(i, f1, 1 + i % 5) for i, f1 in enumerate([0.5] * 20 + [1.0, 1.0, 0.0])]
    chosen = choose_images(scored, 2)
    assert [image.place for image in chosen["best"]] == [21, 20]
    assert [image.place for image in chosen["worst"]] == [22, 4]
    assert len(chosen["random"]) == 2
    assert chosen == choose_images(scored, 2)
    few = choose_images(scored[:4], 4)
    assert sorted(image.place for kind in few.values() for image in kind) == [0, 1, 2, 3]
    assert not any(choose_images([], 4).values())


def test_detections_are_unpacked_as_they_were() -> None:
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(4, 40, 48, generator=generator) > 0.5
    prediction = {
        "boxes": torch.rand(4, 4, generator=generator),
        "labels": torch.tensor([3, 0, 7, 3]),
        "scores": torch.tensor([0.9, 0.6, 0.3, 0.1]),
        "masks": masks,
    }
    again = unpack_found(pack_prediction(prediction, masks=True), 0.3)
    assert set(again) == set(prediction)
    for key, value in again.items():
        assert torch.equal(value, prediction[key][:3])
        assert value.dtype == prediction[key].dtype
    boxes = unpack_found(pack_prediction(prediction, masks=False), 0.5)
    assert "masks" not in boxes
    assert len(boxes["scores"]) == 2
    assert unpack_found(pack_prediction(prediction, masks=True), 0.95)["masks"].shape == (0, 40, 48)
