"""Files of a validation of semantic segmentation."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.tiny_label_maps import CLASSES, SceneData, Scenes, SceneTask, found_in, scene
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import LightningModule, Trainer
from PIL import Image

from vision.callbacks.results.segmentation_results import SegmentationResults
from vision.draw.segmentation import class_palette, overlay_mask
from vision.ops.label_images import read_labels

NAMES = ["a/one.png", "a/two.png", "b/one.png", "b/three.png", "c/four.png"]
RIGHTS = [1.0, 0.5, 0.0, 0.2, 0.9]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_validate_writes_masks_overlays_and_numbers(tmp_path: Path) -> None:
    scenes, task = Scenes(tmp_path / "images", NAMES), SceneTask(RIGHTS)
    folder = tmp_path / "new" / "validation"
    callback = SegmentationResults(folder, overlays=2)
    trainer = quiet_trainer(tmp_path, callbacks=[callback])
    for _ in range(2):  # a second run replaces the first
        trainer.validate(task, SceneData(scenes), verbose=False)
    assert files(folder) == sorted(
        [
            *(f"masks/{name}" for name in NAMES),
            *(f"overlays/{NAMES[place]}" for place in (0, 2)),
            "classes.csv",
            "metrics.json",
        ]
    )
    for number, name in enumerate(NAMES):
        path = folder / "masks" / name
        assert np.array_equal(read_labels(path), found_in(number, RIGHTS[number]).numpy())
        with Image.open(path) as picture:
            assert picture.mode == "P"
    image = torch.from_numpy(scene(2)[0]).permute(2, 0, 1)
    expected = overlay_mask(image, found_in(2, 0.0), class_palette(3))
    with Image.open(folder / "overlays" / NAMES[2]) as picture:
        assert np.array_equal(np.asarray(picture), expected.permute(1, 2, 0).numpy())
    metrics = json.loads((folder / "metrics.json").read_text())
    # By hand: pixels of each class in the rows that are not ignored.
    true = np.concatenate([scene(i)[1][1:].ravel() for i in range(5)])
    found = np.concatenate([found_in(i, RIGHTS[i]).numpy()[1:].ravel() for i in range(5)])
    for label, name in enumerate(CLASSES):
        both = ((true == label) & (found == label)).sum()
        either = ((true == label) | (found == label)).sum()
        assert metrics["IoU"][name] == both / either
    assert metrics["mIoU"] == pytest.approx(np.mean(list(metrics["IoU"].values())), abs=1e-15)
    with (folder / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == list(CLASSES)
    assert [float(row["IoU"]) for row in rows] == list(metrics["IoU"].values())


def test_masks_and_overlays_can_be_left_out(tmp_path: Path) -> None:
    scenes = Scenes(tmp_path / "images", NAMES)
    callback = SegmentationResults(tmp_path / "new", masks=False, overlays=0)
    trainer = quiet_trainer(tmp_path, callbacks=[callback])
    trainer.validate(SceneTask(RIGHTS), SceneData(scenes), verbose=False)
    assert files(tmp_path / "new") == ["classes.csv", "metrics.json"]
    assert scenes.asked == []


def test_training_keeps_the_numbers_of_the_best_epoch_and_writes_no_masks(tmp_path: Path) -> None:
    task = SceneTask(RIGHTS, values=(0.2, 0.6, 0.1))
    written: list[float] = []

    class Recorder(SegmentationResults):
        def write(self, trainer: Trainer, pl_module: LightningModule) -> None:
            super().write(trainer, pl_module)
            written.append(pl_module.current_epoch)

    callback = Recorder(tmp_path / "new")
    trainer = quiet_trainer(tmp_path, callbacks=[callback], max_epochs=3, num_sanity_val_steps=1)
    trainer.fit(task, SceneData(Scenes(tmp_path / "images", NAMES)))
    assert written == [0, 1]
    assert files(tmp_path / "new") == ["classes.csv", "metrics.json"]
    # The same callback writes masks in a validation that follows.
    trainer.validate(task, SceneData(Scenes(tmp_path / "images", NAMES)), verbose=False)
    assert len(files(tmp_path / "new" / "masks")) == 5


def test_the_sanity_check_writes_nothing(tmp_path: Path) -> None:
    trainer = quiet_trainer(
        tmp_path,
        callbacks=[SegmentationResults(tmp_path / "new")],
        max_epochs=1,
        num_sanity_val_steps=2,
        limit_train_batches=0,
    )
    trainer.fit(SceneTask(RIGHTS), SceneData(Scenes(tmp_path / "images", NAMES)))
    assert not (tmp_path / "new").exists()


def test_other_tasks_have_nothing_to_write(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, callbacks=[SegmentationResults(tmp_path / "new")])
    trainer.validate(tiny_task(), TinyData(val=4), verbose=False)
    assert not (tmp_path / "new").exists()
