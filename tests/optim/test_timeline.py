"""The length of a training in steps, and the images of a step."""

from pathlib import Path
from typing import Any

import pytest
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset

from vision.errors import ConfigError


class RatesSeen(Callback):
    """The learning rates with which the optimiser stepped, lowest and highest of the groups."""

    def __init__(self) -> None:
        self.rates: list[tuple[float, float]] = []

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        rates = [group["lr"] for group in optimizer.param_groups]
        self.rates.append((min(rates), max(rates)))


def test_the_images_of_a_step_are_those_of_all_accumulated_batches(tmp_path: Path) -> None:
    task = tiny_task(lr=1e-3, min_lr=0.0, lr_batch_size=16)
    seen = RatesSeen()
    options = {"max_epochs": 1, "limit_val_batches": 0, "accumulate_grad_batches": 2}
    trainer = quiet_trainer(tmp_path, callbacks=[seen], **options)
    with refuses(ConfigError, "lr_batch_size=16 ", " no batch_size"):
        trainer.fit(task, TinyData())
    data = TinyData()
    data.batch_size = 4  # two of them make 8 images per step
    trainer = quiet_trainer(tmp_path, callbacks=[seen], **options)
    trainer.fit(task, data)
    assert seen.rates[0][1] == pytest.approx(0.5e-3)


class Stream(IterableDataset):
    def __iter__(self) -> Any:
        return iter(TinyData().train)


def test_a_training_without_an_end_is_refused(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=-1, limit_val_batches=0)
    with pytest.raises(ConfigError, match="max_epochs"):
        trainer.fit(tiny_task(), TinyData())


def test_a_warmup_without_a_length_is_refused(tmp_path: Path) -> None:
    loader = DataLoader(Stream(), batch_size=4)
    trainer = quiet_trainer(tmp_path, max_steps=2, limit_val_batches=0)
    with pytest.raises(ConfigError, match="warmup_epochs=1"):
        trainer.fit(tiny_task(warmup_epochs=1), loader)
    trainer = quiet_trainer(tmp_path, max_steps=2, limit_val_batches=0)
    trainer.fit(tiny_task(warmup_epochs=0), loader)
    assert trainer.global_step == 2


def test_milestones_are_counted_in_epochs_of_the_trainer(tmp_path: Path) -> None:
    class Rates(Callback):
        def __init__(self) -> None:
            self.seen: list[float] = []

        def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
            self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])

    rates = Rates()
    task = tiny_task(lr_schedule="steps", milestones=[1, 2], lr=0.1, min_lr=0, warmup_steps=2)
    trainer = quiet_trainer(tmp_path, max_epochs=3, callbacks=[rates], limit_val_batches=0)
    trainer.fit(task, datamodule=TinyData(train=12))
    factor = [rate / 0.1 for rate in rates.seen[2:]]
    assert factor == pytest.approx([1, 0.1, 0.1, 0.1, 0.01, 0.01, 0.01])
