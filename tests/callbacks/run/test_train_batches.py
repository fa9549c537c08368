"""The first training batches are drawn, and training is as if they were not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.tiny_detection import random_target, tiny_detector
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import TinyData, quiet_trainer, random_images, tiny_task
from lightning.pytorch import Callback, LightningModule
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader

from vision.callbacks import TrainBatches
from vision.callbacks.run.train_batches import show_batch


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        self.values.append(float(outputs["loss"]))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "train_batches").iterdir())


def test_training_is_the_same_and_the_model_is_not_run_more_often(tmp_path: Path) -> None:
    losses, weights, calls = [], [], []
    for drawn in (False, True):
        record = Losses()
        callbacks = [record, TrainBatches(tmp_path, count=2)] if drawn else [record]
        task = tiny_task(
            drop_rate=0.5,
            backbone_options={"drop_path_rate": 0.5},
            mix={"mixup": 0.8, "cutmix": 1.0, "erasing": 0.5},
        )
        count: list[int] = []
        task.backbone.register_forward_pre_hook(lambda *_, count=count: count.append(1))
        embed = task.embed
        task.embed = lambda images, embed=embed, count=count: (count.append(1), embed(images))[1]
        trainer = quiet_trainer(tmp_path, callbacks=callbacks, max_epochs=1, limit_val_batches=0)
        trainer.fit(task, TinyData())
        losses.append(record.values)
        weights.append(task.state_dict())
        calls.append(len(count))
    assert losses[0] == losses[1]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert calls[0] == calls[1]
    assert names(tmp_path) == ["train_batch_0.jpg", "train_batch_1.jpg"]
    with Image.open(tmp_path / "train_batches/train_batch_0.jpg") as picture:
        assert picture.format == "JPEG"


def test_the_pictures_are_those_of_the_batch_and_a_resumed_run_keeps_them(tmp_path: Path) -> None:
    seen = []

    class See(Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, _: int) -> None:
            seen.append((show_batch(module, trainer, batch), batch["label"].clone()))

    task = tiny_task(mix={"mixup": 0.0, "cutmix": 0.0, "erasing": 1.0})
    trainer = quiet_trainer(
        tmp_path, callbacks=[See(), TrainBatches(tmp_path)], max_epochs=1, limit_val_batches=0
    )
    data = TinyData(train=4)
    trainer.fit(task, data)
    shown, labels = seen[0]
    assert torch.equal(shown.batch["label"], labels)
    originals = {image.numpy().tobytes(): image for image in data.train.images}
    for image in shown.images:
        assert image.numpy().tobytes() not in originals  # something is erased
        # ... and the rest belongs to one image.
        same = max(float((image == other).float().mean()) for other in data.train.images)
        assert 0.4 < same < 1
    path = tmp_path / "train_batches/train_batch_0.jpg"
    before = path.read_bytes()
    quiet_trainer(
        tmp_path, callbacks=[TrainBatches(tmp_path)], max_epochs=1, limit_val_batches=0
    ).fit(tiny_task(), TinyData(train=8))
    assert path.read_bytes() == before
    assert names(tmp_path) == ["train_batch_0.jpg"]


def dense_batches() -> dict[str, Any]:
    images = random_images(2, side=64)
    sizes = torch.tensor([[64, 64], [48, 40]])
    shared = {"image": images, "size": sizes, "original_size": sizes}
    masks = torch.zeros(2, 64, 64, dtype=torch.int64)
    targets = [random_target(2, i, (48, 40)) for i in range(2)]
    for target in targets:
        target["masks"] = F.pad(target["masks"], (0, 24, 0, 16))
    return {
        "detection": (tiny_detector(), {**shared, "image_id": torch.arange(2), "target": targets}),
        "segmentation": (tiny_segmentor(), {**shared, "mask": masks, "path": ["a", "b"]}),
    }


@pytest.mark.parametrize("kind", ["detection", "segmentation"])
def test_dense_batches_are_drawn_without_their_padding(tmp_path: Path, kind: str) -> None:
    task, batch = dense_batches()[kind]
    seen = []

    class See(Callback):
        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, _: int) -> None:
            seen.append(show_batch(module, trainer, batch))

    trainer = quiet_trainer(
        tmp_path, callbacks=[See(), TrainBatches(tmp_path)], max_steps=1, limit_val_batches=0
    )
    trainer.fit(task, DataLoader([batch], batch_size=None))
    assert names(tmp_path) == ["train_batch_0.jpg"]
    assert [tuple(image.shape) for image in seen[0].images] == [(3, 64, 64), (3, 48, 40)]
    # Normalised and back.
    assert torch.equal(seen[0].images[0], batch["image"][0])
    assert torch.equal(seen[0].images[1], batch["image"][1, :, :48, :40])


def test_volumes_are_taken_as_they_are() -> None:
    module = LightningModule()
    trainer: Any = SimpleNamespace(datamodule=None)
    batch = {"volume": torch.rand(20, 1, 4, 4, 4), "subject": [str(i) for i in range(20)]}
    shown = show_batch(module, trainer, batch)
    assert shown is not None
    assert shown.images == []
    assert torch.equal(shown.batch["volume"], batch["volume"][:16])
    assert shown.batch["subject"] == batch["subject"][:16]
    assert show_batch(module, trainer, [batch]) is None
    assert show_batch(module, trainer, {"image": batch["volume"]}) is None


def test_clouds_are_cut_where_the_first_ones_end() -> None:
    module = LightningModule()
    trainer: Any = SimpleNamespace(datamodule=None)
    counts = torch.arange(1, 21)
    points = int(counts.sum())
    batch = {
        "coords": torch.rand(points, 3),
        "label": torch.arange(points),
        "counts": counts,
        "room": [str(i) for i in range(20)],
        "index": torch.arange(20),
    }
    shown = show_batch(module, trainer, batch)
    assert shown is not None
    kept = int(counts[:16].sum())
    assert torch.equal(shown.batch["coords"], batch["coords"][:kept])
    assert len(shown.batch["label"]) == kept
    assert len(shown.batch["room"]) == len(shown.batch["index"]) == len(shown.batch["counts"]) == 16
