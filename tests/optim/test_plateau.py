"""The plateau against PyTorch's `ReduceLROnPlateau`, and within a training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vision.errors import ConfigError
from vision.optim.schedule import build_schedule
from vision.optim.settings import OptimSettings
from vision.optim.timeline import Timeline

VALUES = [0.5, 0.4, 0.41, 0.39, 0.39, 0.39, 0.4, 0.38, 0.9, 0.9, 0.9, 0.9, float("nan"), 0.9]


def optimizer() -> SGD:
    return SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (1.0, 0.5)])


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("patience", [0, 1, 3])
def test_the_falls_are_those_of_pytorch(mode: Any, patience: int) -> None:
    settings = OptimSettings(
        lr=1.0, min_lr=0.03, lr_schedule="plateau", gamma=0.5, patience=patience
    )
    own, theirs = optimizer(), optimizer()
    schedule: Any = build_schedule(own, settings, Timeline(100), mode=mode)
    expected = ReduceLROnPlateau(
        theirs, mode, factor=0.5, patience=patience, min_lr=[0.03, 0.015], eps=0
    )
    values = VALUES if mode == "min" else [-value for value in VALUES]
    for value in values:
        own.step()
        schedule.step()
        schedule.observe(value)
        expected.step(value)
        rates = [group["lr"] for group in theirs.param_groups]
        assert [group["lr"] for group in own.param_groups] == pytest.approx(rates)
    assert own.param_groups[0]["lr"] < 1.0


def test_a_state_goes_on_and_the_config_decides_how() -> None:
    settings = OptimSettings(lr=1.0, lr_schedule="plateau", gamma=0.5, patience=0)
    first: Any = build_schedule(optimizer(), settings, Timeline(100))
    for value in (0.5, 0.6, 0.7):
        first.observe(value)
    state = first.state_dict()
    assert (state["falls"], state["best"], state["waited"]) == (2, 0.5, 0)
    assert "settings" not in state
    resumed: Any = build_schedule(
        own := optimizer(), OptimSettings(lr=1.0, lr_schedule="plateau", patience=1), Timeline(100)
    )
    resumed.load_state_dict(state)
    resumed.observe(0.6)
    assert resumed.falls == 2
    resumed.observe(0.6)
    assert own.param_groups[0]["lr"] == pytest.approx(0.1**3)


class Rates(Callback):
    """The learning rate of each step, and the metric of each validation."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.metrics: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self.rates.append(max(group["lr"] for group in trainer.optimizers[0].param_groups))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.metrics.append(float(trainer.callback_metrics["val/top1"]))


def test_a_training_falls_where_its_metric_stands_still(tmp_path: Path) -> None:
    seen = Rates()
    task = tiny_task(lr=1e-4, min_lr=0.0, lr_schedule="plateau", gamma=0.5, patience=0)
    trainer = quiet_trainer(tmp_path, max_epochs=4, callbacks=[seen], num_sanity_val_steps=1)
    trainer.fit(task, TinyData(train=4))
    theirs = SGD([nn.Parameter(torch.zeros(1))], lr=1e-4)
    expected = ReduceLROnPlateau(theirs, "max", factor=0.5, patience=0)
    rates = [1e-4]
    for value in seen.metrics[1:]:  # the first is of the sanity check
        expected.step(value)
        rates.append(theirs.param_groups[0]["lr"])
    assert seen.rates == pytest.approx(rates[:-1])
    assert seen.rates[-1] < 1e-4


def test_a_training_without_end_may_wait_for_a_plateau(tmp_path: Path) -> None:
    task = tiny_task(lr_schedule="plateau", warmup_steps=2, warmup_lr=1e-5, lr=1e-3)
    seen = Rates()
    trainer = quiet_trainer(tmp_path, max_epochs=-1, callbacks=[seen])
    with pytest.raises(StoppedError):
        trainer.fit(task, _Stopping(steps=4))
    assert seen.rates[:3] == pytest.approx([1e-5, 5.05e-4, 1e-3])


class StoppedError(Exception):
    """Ends a training that has no end."""


class _Stopping(TinyData):
    """Training data that ends with an error."""

    def __init__(self, *, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        if self.trainer.training:
            self.steps -= 1
            if not self.steps:
                raise StoppedError
        return batch


def test_a_plateau_needs_a_validation_and_its_metric(tmp_path: Path) -> None:
    task = tiny_task(lr_schedule="plateau")
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    with refuses(ConfigError, "plateau", "limit_val_batches"):
        trainer.fit(task, TinyData())
    task = tiny_task(lr_schedule="plateau")
    task.monitor = ("val/top2", "max")  # type: ignore[misc]
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    with refuses(ConfigError, "val/top2", "val/top1", "lr_schedule"):
        trainer.fit(task, TinyData())
