"""The average of the weights: arithmetic, when it is used, what a checkpoint keeps of it."""

import copy
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from vision.errors import ConfigError
from vision.optim.averages import WeightAverage
from vision.tasks import Classification
from vision.weights.read import read_state_dict

Weights = dict[str, Tensor]


def copy_of(module: nn.Module) -> Weights:
    return {key: value.clone() for key, value in module.state_dict().items()}


def same(first: Weights, second: Weights) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


class Recorder(Callback):
    """Weights before and after every optimiser step, and during every evaluation."""

    def __init__(self) -> None:
        self.raw: list[Weights] = []
        self.evaluated: list[Weights] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.raw.append(copy_of(pl_module))

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        self.evaluated.append(copy_of(pl_module))

    on_test_batch_start = on_predict_batch_start = on_validation_batch_start


def average_by_hand(start: Weights, raw: list[Weights], decay: float) -> Weights:
    """In float64, by the definition."""
    average = {key: value.double() for key, value in start.items()}
    for t, weights in enumerate(raw):
        d = min(decay, (1 + t) / (10 + t))
        average = {key: d * average[key] + (1 - d) * weights[key].double() for key in average}
    return average


def test_arithmetic_of_parameters_buffers_and_counters() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = WeightAverage(0.3)
    average.start(module)
    start, seen = copy_of(module), []
    for _ in range(6):
        module(torch.randn(8, 3))
        with torch.no_grad():
            module[0].weight.add_(torch.randn(4, 3))
        average.update(module)
        seen.append(copy_of(module))
    expected = average_by_hand(start, seen, 0.3)
    counter = "1.num_batches_tracked"
    assert average.weights[counter] == 6
    for key in expected.keys() - {counter}:
        torch.testing.assert_close(average.weights[key].double(), expected[key])
    assert not torch.equal(average.weights["1.running_mean"], seen[-1]["1.running_mean"])


def test_small_steps_of_half_precision_weights_are_not_lost() -> None:
    module = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.ones_(module.weight)
    average = WeightAverage(0.9999)
    average.start(module)
    average.updates = 10**6
    nn.init.constant_(module.weight, 2.0)
    for _ in range(100):
        average.update(module)
    expected = torch.tensor([[2.0 - 0.9999**100]])
    torch.testing.assert_close(average.weights["weight"], expected, rtol=1e-5, atol=0)


def test_without_a_warmup_the_decay_is_constant() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = WeightAverage(0.75, warmup=False)
    average.start(layer)
    layer.weight.data.fill_(16.0)
    values = []
    for _ in range(3):
        average.update(layer)
        values.append(average.weights["weight"].item())
    assert values == [4.0, 7.0, 9.25]  # each time a quarter of the way to 16


@pytest.mark.parametrize("decay", [0.0, 1.0, 9.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="ema_decay"):
        WeightAverage(decay)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_update_per_optimiser_step(tmp_path: Path, accumulate: int) -> None:
    task, recorder = tiny_task(ema_decay=0.8, lr=0.01), Recorder()
    start = copy_of(task)
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=2,
        callbacks=[recorder],
        accumulate_grad_batches=accumulate,
        limit_val_batches=0,
    )
    trainer.fit(task, TinyData())
    # Three batches in an epoch; an epoch's last batch steps in any case.
    steps = [i for i in range(6) if accumulate == 1 or i % 3 in (1, 2)]
    assert task.average.updates == len(steps) == trainer.global_step
    expected = average_by_hand(start, [recorder.raw[i] for i in steps], 0.8)
    for key, value in expected.items():
        torch.testing.assert_close(task.average.weights[key].double(), value)


def test_evaluations_use_the_average_and_give_the_raw_weights_back(tmp_path: Path) -> None:
    task, recorder = tiny_task(ema_decay=0.8, lr=0.01), Recorder()
    start = copy_of(task)
    trainer = quiet_trainer(
        tmp_path, max_epochs=2, callbacks=[recorder], num_sanity_val_steps=1, limit_val_batches=1
    )
    trainer.fit(task, TinyData())
    # Before the first update there is no average to use.
    assert same(recorder.evaluated[0], start)
    assert not same(recorder.evaluated[1], recorder.raw[2])
    assert same(recorder.evaluated[2], task.average.weights)
    assert same(copy_of(task), recorder.raw[-1])
    for run in (trainer.validate, trainer.test, trainer.predict):
        recorder.evaluated.clear()
        run(task, TinyData())
        assert same(recorder.evaluated[0], task.average.weights)
        assert same(copy_of(task), recorder.raw[-1])
    # Nothing of inference mode is left in them.
    assert not any(parameter.is_inference() for parameter in task.parameters())
    task.train()(torch.zeros(1, 3, 32, 32)).sum().backward()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_raw_weights_return_after_an_exception(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    task, recorder = tiny_task(ema_decay=0.8, lr=0.01), Recorder()

    def fail(*_: Any) -> None:
        assert same(copy_of(task), task.average.weights)
        raise error

    monkeypatch.setattr(task, "validation_step", fail)
    trainer = quiet_trainer(tmp_path, max_epochs=1, callbacks=[recorder])
    interrupt = signal.getsignal(signal.SIGINT)
    with pytest.raises((RuntimeError, SystemExit)):
        trainer.fit(task, TinyData())
    # Lightning leaves the signal ignored.
    signal.signal(signal.SIGINT, interrupt)
    assert same(copy_of(task), recorder.raw[-1])


class SaveWhileLent(Callback):
    def __init__(self, path: Path) -> None:
        self.path = path

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, *_: Any
    ) -> None:
        trainer.save_checkpoint(self.path)


@pytest.mark.parametrize("moment", ["validation", "validation end", "afterwards"])
@pytest.mark.parametrize("weights_only", [False, True])
def test_a_checkpoint_holds_both(tmp_path: Path, moment: str, weights_only: bool) -> None:
    path, recorder = tmp_path / "a.ckpt", Recorder()
    if moment == "validation end":
        saver: Callback = ModelCheckpoint(
            tmp_path, "a", monitor="val/loss", save_weights_only=weights_only
        )
    else:
        saver = SaveWhileLent(path) if moment == "validation" else Callback()
    task = tiny_task(ema_decay=0.8, lr=0.01)
    trainer = quiet_trainer(
        tmp_path,
        max_epochs=1,
        callbacks=[recorder, saver],
        enable_checkpointing=moment == "validation end",
    )
    trainer.fit(task, TinyData())
    if moment == "afterwards":
        trainer.save_checkpoint(path, weights_only=weights_only)
    checkpoint = torch.load(path, weights_only=True)
    assert same(checkpoint["state_dict"], recorder.raw[-1])
    assert same(checkpoint["ema_state_dict"], task.average.weights)
    assert same(read_state_dict(path), task.average.weights)


class StopAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def test_resuming_continues_the_average_exactly(tmp_path: Path) -> None:
    def run(stop: int, **fit: Any) -> Classification:
        task = tiny_task(ema_decay=0.8, lr=0.01)
        trainer = quiet_trainer(
            tmp_path, max_epochs=3, limit_val_batches=0, callbacks=[StopAfter(stop)]
        )
        trainer.fit(task, TinyData(), **fit)
        trainer.save_checkpoint(tmp_path / f"{stop}.ckpt")
        return task

    whole = run(3)
    part = run(1)
    resumed = run(3, ckpt_path=tmp_path / "1.ckpt", weights_only=True)
    assert part.average.updates == 3
    assert resumed.average.updates == whole.average.updates == 9
    assert same(resumed.average.weights, whole.average.weights)
    assert same(copy_of(resumed), copy_of(whole))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Classification]:
    folder = tmp_path_factory.mktemp("ema")
    task = tiny_task(ema_decay=0.8, lr=0.01)
    trainer = quiet_trainer(folder, max_epochs=1, limit_val_batches=0)
    trainer.fit(task, TinyData())
    trainer.save_checkpoint(folder / "a.ckpt")
    return folder / "a.ckpt", task


def test_load_from_checkpoint_takes_the_average(
    trained: tuple[Path, Classification], caplog: pytest.LogCaptureFixture
) -> None:
    path, task = trained
    with caplog.at_level(logging.INFO, logger="vision"):
        loaded = Classification.load_from_checkpoint(path)
    assert "averaged (EMA) weights of the checkpoint, 3 updates" in caplog.text
    assert same(copy_of(loaded), task.average.weights)
    assert loaded.average.updates == 0


@pytest.mark.parametrize("run", ["validate", "test", "predict"])
def test_a_trainer_evaluates_the_average_of_a_checkpoint(
    tmp_path: Path,
    trained: tuple[Path, Classification],
    run: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path, task = trained
    recorder, fresh = Recorder(), tiny_task()
    trainer = quiet_trainer(tmp_path, callbacks=[recorder])
    with caplog.at_level(logging.INFO, logger="vision"):
        getattr(trainer, run)(fresh, TinyData(), ckpt_path=path)
    assert "averaged (EMA) weights" in caplog.text
    assert same(recorder.evaluated[0], task.average.weights)


def test_an_evaluated_checkpoint_replaces_the_average_of_an_earlier_fit(
    tmp_path: Path, trained: tuple[Path, Classification]
) -> None:
    path, task = trained
    other, recorder = copy.deepcopy(task), Recorder()
    other.average.weights = {key: value + 1 for key, value in other.average.weights.items()}
    quiet_trainer(tmp_path, callbacks=[recorder]).test(other, TinyData(), ckpt_path=path)
    assert same(recorder.evaluated[0], task.average.weights)


def test_dropping_the_average_on_resuming_is_said(
    tmp_path: Path, trained: tuple[Path, Classification], caplog: pytest.LogCaptureFixture
) -> None:
    path, task = trained
    resumed = tiny_task(lr=0.01)
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    trainer.fit(resumed, TinyData(), ckpt_path=path)
    assert "no ema_decay" in caplog.text
    assert same(copy_of(resumed), copy_of(task))


def test_averaging_can_begin_on_resuming(tmp_path: Path) -> None:
    trainer = quiet_trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    trainer.fit(tiny_task(), TinyData())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    task = tiny_task(ema_decay=0.8)
    trainer = quiet_trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    trainer.fit(task, TinyData(), ckpt_path=tmp_path / "a.ckpt")
    assert task.average.updates == 3
