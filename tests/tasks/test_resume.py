"""The schedule of a resumed training, against learning rates worked by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from vision.errors import ConfigError

# Half a cosine from 1 to 0 over the whole training: by quarters of it.
QUARTERS = [1.0, 0.853553, 0.5, 0.146447]


class Rates(Callback):
    """The learning rate and the weight decay of each optimiser step."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.decay = 0.0

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        self.rates.append(max(group["lr"] for group in optimizer.param_groups))
        self.decay = max(group["weight_decay"] for group in optimizer.param_groups)


class StopAt(Callback):
    """Writes a checkpoint after some optimiser steps and stops, within an epoch or at its end."""

    def __init__(self, path: Path, *, step: int) -> None:
        self.path, self.step = path, step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step and not trainer.is_last_batch:
            self.stop(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step == self.step:
            self.stop(trainer)

    def stop(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        raise StoppedError


class StoppedError(Exception):
    """The first part of a run is over."""


def first_part(folder: Path, *, step: int, images: int = 12, **options: Any) -> Path:
    """A checkpoint of a run in batches of four images."""
    path = folder / "first.ckpt"
    with pytest.raises(StoppedError):
        fit(folder, StopAt(path, step=step), images=images, **{"max_epochs": 4, **options})
    return path


def fit(
    folder: Path,
    *callbacks: Callback,
    images: int = 12,
    resume: Path | None = None,
    optim: dict[str, Any] | None = None,
    **options: Any,
) -> None:
    task = tiny_task(**{"lr": 1.0, "min_lr": 0.0, "weight_decay": 0.1, **(optim or {})})
    trainer = quiet_trainer(folder, callbacks=list(callbacks), limit_val_batches=0, **options)
    trainer.fit(task, TinyData(train=images), ckpt_path=resume, weights_only=True)


def rates_of(folder: Path, resume: Path, **options: Any) -> list[float]:
    seen = Rates()
    fit(folder, seen, resume=resume, **{"max_epochs": 4, **options})
    return seen.rates


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Three steps per epoch before; after two of four epochs the rate is half of the first.
        ({}, [0.5, 0.370590, 0.25, 0.146447, 0.066987, 0.017037]),
        ({"accumulate_grad_batches": 3}, QUARTERS[2:]),
        ({"limit_train_batches": 1}, QUARTERS[2:]),
        ({"images": 24, "limit_train_batches": 2}, [0.5, 0.308658, 0.146447, 0.038060]),
        ({"max_epochs": 8, "accumulate_grad_batches": 3}, [0.853553, 0.691342, *[0.5]]),
    ],
    ids=str,
)
def test_with_other_steps_per_epoch_a_schedule_goes_on_by_epochs(
    tmp_path: Path, options: dict[str, Any], expected: list[float], caplog: Any
) -> None:
    rates = rates_of(tmp_path, first_part(tmp_path, step=6), **options)
    assert rates[: len(expected)] == pytest.approx(expected, abs=1e-6)
    assert ("the schedule goes on at step" in caplog.text) == bool(options)


def test_a_finished_run_that_goes_on_has_the_new_rate_in_its_first_step(tmp_path: Path) -> None:
    finished = first_part(tmp_path, step=6, max_epochs=2)
    rates = rates_of(tmp_path, finished, accumulate_grad_batches=1)
    assert rates == pytest.approx([0.5, 0.370590, 0.25, 0.146447, 0.066987, 0.017037], abs=1e-6)


def test_rates_and_decay_of_a_resumed_run_are_those_of_its_config(tmp_path: Path) -> None:
    seen = Rates()
    first = first_part(tmp_path, step=6)
    optim = {"lr": 0.2, "weight_decay": 0.3}
    fit(tmp_path, seen, resume=first, optim=optim, max_epochs=4)
    assert seen.rates[:2] == pytest.approx([0.1, 0.074118], abs=1e-6)
    assert seen.decay == 0.3


class Steps(Callback):
    """Whether the optimiser's steps are fused, and what they make of the weights."""

    def __init__(self) -> None:
        self.fused: set[object] = set()
        self.weights: list[Tensor] = []

    def on_before_zero_grad(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        self.fused |= {group["fused"] for group in optimizer.param_groups}
        weights = [p.detach().flatten() for p in pl_module.parameters()]
        self.weights.append(torch.cat(weights).double())


def test_the_kind_of_step_is_that_of_the_config(tmp_path: Path) -> None:
    plain = {"lr": 1e-2, "options": {"foreach": False, "fused": False}}
    first = first_part(tmp_path, step=6, optim=plain)
    seen: dict[str, Steps] = {"plain": Steps(), "again": Steps(), "fused": Steps()}
    for name, steps in seen.items():
        optim = {"lr": 1e-2} if name == "fused" else plain
        fit(tmp_path, steps, resume=first, optim=optim, max_epochs=4)
    assert [steps.fused for steps in seen.values()] == [{False}, {False}, {True}]
    last = {name: steps.weights[-1] for name, steps in seen.items()}
    assert torch.equal(last["plain"], last["again"])
    # The same steps but for rounding: the moments and their counts are those of the file.
    torch.testing.assert_close(last["fused"], last["plain"], rtol=1e-4, atol=1e-5)


def test_a_length_in_steps_is_kept_in_steps(tmp_path: Path) -> None:
    first = first_part(tmp_path, step=6, max_epochs=-1, max_steps=12)
    options = {"max_epochs": -1, "max_steps": 12, "accumulate_grad_batches": 3}
    rates = rates_of(tmp_path, first, **options)
    assert rates == pytest.approx([0.5, 0.370590, 0.25, 0.146447, 0.066987, 0.017037], abs=1e-6)
    steps = {"lr_schedule": "steps", "milestones": [3]}
    with refuses(ConfigError, "3 optimiser", "1", "milestones=[3]"):
        rates_of(tmp_path, first, **options, optim=steps)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"accumulate_grad_batches": 3}, ("3 optimiser", "1")),
        ({"images": 24}, ("3 optimiser", "6")),
        (
            {"images": 24, "accumulate_grad_batches": 2},
            ("1 accumulated", "2"),
        ),
    ],
)
def test_within_an_epoch_other_steps_are_refused(
    tmp_path: Path, options: dict[str, Any], said: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *said):
        rates_of(tmp_path, first_part(tmp_path, step=4), **options)


def test_moments_without_a_place_are_refused(tmp_path: Path) -> None:
    first = first_part(tmp_path, step=6)
    with refuses(ConfigError, "groups of", "frozen_stages", "layer_decay") as caught:
        rates_of(tmp_path, first, optim={"layer_decay": 0.5})
    assert "--model.weights FILE" in str(caught.value)


def weights_after(folder: Path, resume: Path | None, optim: dict[str, Any]) -> list[Tensor]:
    """The weights after four epochs, whole or resumed."""
    task = tiny_task(**{"lr": 1e-3, "weight_decay": 0.1, **optim})
    trainer = quiet_trainer(folder, max_epochs=4)
    trainer.fit(task, TinyData(), ckpt_path=resume, weights_only=True)
    return list(task.state_dict().values())


@pytest.mark.parametrize(
    ("step", "optim"),
    [
        (6, {"name": "lamb"}),
        (6, {"name": "muon", "lr_schedule": "one_cycle"}),
        (6, {"name": "sgd", "options": {"momentum": 0.8}, "lr_schedule": "constant"}),
        # Of random labels nothing is learnt: it falls at once.
        (9, {"lr_schedule": "plateau", "patience": 0, "gamma": 0.5}),
    ],
    ids=str,
)
def test_a_resumed_run_has_the_weights_of_an_uninterrupted_one(
    tmp_path: Path, step: int, optim: dict[str, Any]
) -> None:
    path = tmp_path / "first.ckpt"
    task = tiny_task(**{"lr": 1e-3, "weight_decay": 0.1, **optim})
    trainer = quiet_trainer(tmp_path, max_epochs=4, callbacks=[StopAt(path, step=step)])
    with pytest.raises(StoppedError):
        trainer.fit(task, TinyData())
    if "patience" in optim:
        state = torch.load(path, weights_only=True)["lr_schedulers"][0]
        assert state["falls"] >= 1
    whole = weights_after(tmp_path, None, optim)
    resumed = weights_after(tmp_path, path, optim)
    assert all(torch.equal(*pair) for pair in zip(resumed, whole, strict=True))


def test_moments_of_another_optimiser_are_refused(tmp_path: Path) -> None:
    first = first_part(tmp_path, step=6)
    with refuses(ConfigError, "'adamw'", "'lamb'", "--model.optim.name adamw", "--model.weights"):
        rates_of(tmp_path, first, optim={"name": "lamb"})
