"""Tasks on volumes and on points, without classes: all that a task inherits is there for them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import quiet_trainer
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

from vision.backbones import Encoder
from vision.backbones.encoder import MemoryMode
from vision.callbacks.run.summary import RunSummary
from vision.contracts.features import FeatureSpec
from vision.data import DataModule
from vision.errors import ConfigError
from vision.optim.settings import OptimSettings
from vision.predict.load import load
from vision.tasks import BaseTask, ImageTask


class VolumeEncoder(Encoder):
    """Two convolutions, each a level."""

    family = "tests"

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv3d(2, 4, 3, stride=2, padding=1)
        self.deep = nn.Conv3d(4, 8, 3, stride=2, padding=1)
        self.feature_specs = (FeatureSpec(8, 4),)

    def block_prefixes(self) -> list[list[str]]:
        return [["stem"], ["deep"]]

    def forward(self, volume: Tensor) -> list[Tensor]:
        return [self.run_block(self.deep, self.run_block(self.stem, volume).relu())]


class Regression(BaseTask):
    """Regresses one number of a sample."""

    monitor = ("val/loss", "min")

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.log_losses("train", self.losses(self.run(batch), batch), len(batch["mean"]))

    def evaluate(self, stage: str, outputs: Tensor, batch: Any) -> None:
        self.log_losses(stage, self.losses(outputs, batch), len(outputs))

    def losses(self, outputs: Tensor, batch: Any) -> dict[str, Tensor]:
        return {"loss_mean": F.mse_loss(outputs, batch["mean"])}

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.run(batch)


class VolumeMean(Regression):
    kind = "volume_mean"

    def __init__(
        self, width: int = 8, frozen_stages: Any = None, memory: MemoryMode = "fast"
    ) -> None:
        super().__init__(
            VolumeEncoder(),
            optim=OptimSettings(warmup_epochs=0, layer_decay=0.5),
            ema_decay=0.5,
            frozen_stages=frozen_stages,
            memory=memory,
        )
        self.head = nn.Linear(width, 1)
        self.load_initial_weights()

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {**batch, "volume": batch["volume"].float() / 255}

    def run(self, batch: Any) -> Tensor:
        (features,) = self.backbone(batch["volume"])
        return self.head(features.mean(dim=(2, 3, 4)))[:, 0]


class PointSpread(Regression):
    """Its backbone is no `Encoder`."""

    kind = "point_spread"

    def __init__(self) -> None:
        super().__init__(nn.Linear(3, 8), optim=OptimSettings(warmup_epochs=0))
        self.head = nn.Linear(8, 1)
        self.load_initial_weights()

    def prepare(self, batch: dict[str, Any]) -> dict[str, Any]:
        cloud = batch["cloud"]
        return {**batch, "cloud": {**cloud, "xyz": cloud["xyz"] - cloud["xyz"].mean(1, True)}}

    def run(self, batch: Any) -> Tensor:
        features = self.backbone(batch["cloud"]["xyz"]) * batch["cloud"]["weight"][..., None]
        return self.head(features.amax(dim=1))[:, 0]


class Samples(Dataset):
    def __init__(self, kind: str, count: int) -> None:
        self.kind, self.count = kind, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        generator = torch.Generator().manual_seed(index)
        if self.kind == "point_spread":
            points = {"xyz": torch.rand(20, 3, generator=generator), "weight": torch.ones(20)}
            return {"cloud": points, "mean": points["xyz"].std()}
        size = (2, 8, 12, 10)
        volume = torch.randint(0, 256, size, dtype=torch.uint8, generator=generator)
        return {"volume": volume, "mean": volume.float().mean() / 255}


class Volumes(DataModule):
    kind = "volume_mean"
    unit = "volumes"

    def setup(self, stage: str) -> None:
        self.train_dataset = Samples(self.kind, 6)
        self.val_dataset = self.test_dataset = self.predict_dataset = Samples(self.kind, 5)


class Clouds(Volumes):
    kind = "point_spread"


CASES = [(VolumeMean, Volumes), (PointSpread, Clouds)]


@pytest.mark.parametrize(("task_class", "data_class"), CASES)
def test_fit_validate_predict_save_load(
    task_class: type[BaseTask],
    data_class: type[DataModule],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(0)
    task, data = task_class(), data_class(batch_size=2, num_workers=0)
    before = {key: value.clone() for key, value in task.state_dict().items()}
    summary = RunSummary(tmp_path, title="run")
    trainer = quiet_trainer(tmp_path, max_epochs=1, callbacks=[summary])
    trainer.fit(task, data)
    assert all((task.state_dict()[key] != before[key]).any() for key in before)
    assert trainer.callback_metrics["val/loss"] > 0
    printed = capsys.readouterr().out
    assert f"6 training {data.unit}, batches of 2" in printed
    assert "classes" not in printed
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    found = torch.cat(trainer.predict(task, data))
    assert found.shape == (5,)
    # Without a trainer: the mean of the losses of its batches, weighted by their sizes.
    trainer.validate(task, data, verbose=False)
    true = torch.stack([sample["mean"] for sample in map(data.val_dataset.__getitem__, range(5))])
    torch.testing.assert_close(trainer.callback_metrics["val/loss"], F.mse_loss(found, true))

    described = torch.load(tmp_path / "a.ckpt", weights_only=True)["vision"]
    assert described["kind"] == data.kind
    assert (described["class_names"], described["palette"], described["input"]) == (None, None, {})
    own = {"width", "frozen_stages", "memory"} if task_class is VolumeMean else set()
    assert {*described["hyper_parameters"]} == own | {"pretrained", "weights"}
    for loaded in (
        task_class.load_from_checkpoint(tmp_path / "a.ckpt"),
        load(tmp_path / "a.ckpt", task=task_class).task,
    ):
        again = quiet_trainer(tmp_path).predict(loaded, data)
        torch.testing.assert_close(torch.cat(again), found, rtol=0, atol=0)
    assert "classes" not in repr(load(tmp_path / "a.ckpt", task=task_class))


def test_an_encoder_of_volumes_is_frozen_recomputed_and_has_rates_by_depth(tmp_path: Path) -> None:
    task = VolumeMean(frozen_stages=0, memory="checkpoint")
    assert task.backbone.grad_checkpointing
    assert [p.requires_grad for p in task.backbone.parameters()] == [False, False, True, True]
    trainer = quiet_trainer(tmp_path, max_steps=1, limit_val_batches=0)
    trainer.fit(task, Volumes(batch_size=2, num_workers=0))
    rates = {group["initial_lr"] for group in trainer.optimizers[0].param_groups}
    assert rates == {1e-3, 5e-4}  # the head, and the second of two levels


def test_another_module_is_neither_frozen_nor_recomputed_nor_a_backbone_of_images() -> None:
    class Own(BaseTask):
        def __init__(self, **options: Any) -> None:
            super().__init__(nn.Linear(3, 8), optim=OptimSettings(), **options)
            self.load_initial_weights()

        run = evaluate = None

    for option in ({"frozen_stages": "all"}, {"memory": "lean"}):
        (name,) = option
        with pytest.raises(ConfigError, match=rf"{name} needs .* Linear .* vision.backbones.Enc"):
            Own(**option)

    with refuses(ConfigError, "VolumeEncoder", "'checkpoint'", "'fast'"):
        VolumeMean(memory="lean")

    class OfImages(ImageTask):
        run = evaluate = None

    with refuses(ConfigError, "OfImages", "VolumeEncoder", "Backbone"):
        OfImages(VolumeEncoder(), optim=OptimSettings())


def test_data_of_another_kind_are_refused(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    with refuses(ConfigError, "dataset", "volume_mean"):
        trainer.fit(VolumeMean(), Clouds(num_workers=0))


def test_data_without_classes_have_none_to_check_or_count() -> None:
    data = Volumes(batch_size=2, num_workers=0)
    assert list(data.problems()) == []
    assert data.summary() == {"train": {"images": 6}, "val": {"images": 5}}
    assert not hasattr(data, "num_classes")
    assert not hasattr(data, "class_names")
    assert data.state_dict() == {"epoch": 0, "samples": 0, "batch": 2}
