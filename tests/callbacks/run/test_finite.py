"""Losses that are not finite numbers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn

from vision.callbacks.run.finite import FiniteTraining
from vision.callbacks.run.last_checkpoint import LastCheckpoint
from vision.callbacks.run.step_dump import replay_step
from vision.errors import NonFiniteError
from vision.tasks import Classification


class Poisoned(nn.Module):
    """A criterion whose loss is multiplied at one call; a task calls it once per batch."""

    def __init__(self, criterion: nn.Module, at: int, factor: float) -> None:
        super().__init__()
        self.criterion, self.at, self.factor, self.calls = criterion, at, factor, 0

    def forward(self, outputs: Any, batch: Any) -> dict[str, Tensor]:
        terms = self.criterion(outputs, batch)
        self.calls += 1
        return {"loss_cls": terms["loss_cls"] * (self.factor if self.calls == self.at else 1.0)}


def poisoned_task(at: int, factor: float = float("nan"), **options: Any) -> Classification:
    task = tiny_task(lr=1e-2, **options)
    task.criterion = Poisoned(task.criterion, at, factor)
    return task


class WithIndex(TinyData):
    """Batches that know their images, as in the suite's datamodules."""

    def on_before_batch_transfer(self, batch: dict[str, Any], _: int) -> dict[str, Any]:
        first = self.train.images.flatten(1).sum(dim=1)
        index = [(first == image.sum()).nonzero()[0].item() for image in batch["image"]]
        return {**batch, "index": torch.tensor(index)}


def fit(task: Classification, folder: Path, *callbacks: Callback, **options: Any) -> None:
    trainer = quiet_trainer(
        folder, callbacks=list(callbacks), limit_val_batches=0, **{"max_epochs": 2, **options}
    )
    trainer.fit(task, WithIndex())


class Cusp(nn.Module):
    """A criterion whose gradient is not a number where its loss is 0, for one image of the data.

    It depends only on the batch: a step that is replayed meets it again.
    """

    def __init__(self, criterion: nn.Module, image: int = 3) -> None:
        super().__init__()
        self.criterion, self.image = criterion, image

    def forward(self, outputs: Any, batch: Any) -> dict[str, Tensor]:
        terms = self.criterion(outputs, batch)
        if self.image in batch["index"].tolist():
            terms["loss_cusp"] = (outputs["logits"] * 0).square().sum().sqrt()
        return terms


def cusp_task(**options: Any) -> Classification:
    task = tiny_task(lr=1e-2, drop_rate=0.5, **options)
    task.criterion = Cusp(task.criterion)
    return task


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path, factor: float) -> None:
    # Three batches per epoch: the fifth is the second of the second epoch.
    with pytest.raises(NonFiniteError) as caught:
        fit(poisoned_task(5, factor), tmp_path, FiniteTraining(tmp_path / "run"))
    message = str(caught.value)
    assert f"the loss is {factor} (epoch 1, batch 1, optimiser step 4, process 0)" in message
    saved = tmp_path / "run/non_finite_step_4_rank_0.pt"
    assert str(saved) in message
    assert "--model.optim.lr" in message
    batch = torch.load(saved, weights_only=True)["batch"]
    assert f"images: {', '.join(map(str, batch['index'].tolist()))}\n" in message
    task = tiny_task()
    expected = task.normalize(WithIndex().train.images[batch["index"]])
    assert torch.equal(batch["image"], expected)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 3},
        {"gradient_clip_val": 1.0},
        {"precision": "bf16-mixed"},
    ],
    ids=str,
)
def test_a_gradient_that_is_not_finite_stops_the_run_and_is_replayed(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    task = cusp_task()
    with pytest.raises(NonFiniteError) as caught:
        fit(task, tmp_path, FiniteTraining(tmp_path / "run"), **options)
    message = str(caught.value)
    assert "but the gradient is not finite of backbone." in message
    assert "images: " in message
    assert len(message.splitlines()) <= 3
    # The weights do not hold what came of it.
    assert all(p.isfinite().all() for p in task.parameters())
    (path,) = (tmp_path / "run").glob("non_finite_*.pt")
    saved = torch.load(path, weights_only=True)
    assert 3 in saved["batch"]["index"].tolist()
    torch.manual_seed(99)
    replayed = replay_step(path, cusp_task())
    assert replayed._asdict() == saved["result"]
    assert 0 < replayed.loss < float("inf")
    assert replayed.terms["loss_cusp"] == 0
    assert "head.fc.weight" in replayed.parameters


def test_at_most_three_steps_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    finite = FiniteTraining(tmp_path, action="skip")
    task = cusp_task()
    task.criterion.image = 0
    fit(task, tmp_path, finite, max_epochs=5)
    assert finite.skipped == 5  # the image comes once in each epoch
    assert len(list(tmp_path.glob("non_finite_*.pt"))) == 3
    assert "has the maximum number of such files" in caplog.text


def test_a_step_that_cannot_be_written_is_still_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refuses(NonFiniteError, "loss", "nan", "step"):
        fit(poisoned_task(1), tmp_path, FiniteTraining(tmp_path / "file"))


@pytest.mark.parametrize("action", ["stop", "skip"])
def test_overflow_in_half_precision_is_left_to_the_scaler(tmp_path: Path, action: Any) -> None:
    # The first factor on the loss is too large for float32: some steps overflow, as usual.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**120)
    plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    finite = FiniteTraining(tmp_path, action=action)
    task = tiny_task(lr=1e-2)
    fit(task, tmp_path, finite, plugins=[plugin], max_epochs=4)
    assert finite.skipped == 0
    assert scaler.get_scale() < 2.0**120
    assert list(tmp_path.glob("*.pt")) == []
    # At a factor of 1 it is the gradient itself.
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    with refuses(NonFiniteError, "gradient", "finite"):
        fit(cusp_task(), tmp_path, FiniteTraining(tmp_path), plugins=[plugin])


def test_the_last_batch_of_a_run_counts_too(tmp_path: Path) -> None:
    with refuses(NonFiniteError, "epoch", "1", "batch", "2"):
        fit(poisoned_task(6), tmp_path, FiniteTraining(tmp_path))


def test_no_checkpoint_holds_what_came_of_it(tmp_path: Path) -> None:
    last = LastCheckpoint(tmp_path / "last.ckpt", every_steps=1)
    with pytest.raises(NonFiniteError):
        fit(poisoned_task(5), tmp_path, FiniteTraining(tmp_path), last, enable_checkpointing=True)
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 4
    assert all(value.isfinite().all() for value in checkpoint["state_dict"].values())


class States(Callback):
    """Weights and moments after each batch."""

    def __init__(self) -> None:
        self.states: list[list[Tensor]] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:
        moments = [
            value
            for state in trainer.optimizers[0].state.values()
            for value in state.values()
            if isinstance(value, Tensor)
        ]
        self.states.append([x.detach().clone() for x in (*module.parameters(), *moments)])


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_skipped_step_changes_nothing(tmp_path: Path, accumulated: int) -> None:
    states, finite = States(), FiniteTraining(tmp_path, action="skip")
    options = {"accumulate_grad_batches": accumulated, "gradient_clip_val": 1.0}
    fit(poisoned_task(2, ema_decay=0.5), tmp_path, states, finite, **options)
    assert finite.skipped == 1
    torch.testing.assert_close(states.states[1], states.states[0], rtol=0, atol=0)
    assert not torch.equal(states.states[-1][0], states.states[1][0])
    assert all(value.isfinite().all() for state in states.states for value in state)


def test_finite_training_is_left_as_it_is(tmp_path: Path) -> None:
    ends = []
    for callbacks in ([], [FiniteTraining(tmp_path)], [FiniteTraining(tmp_path, action="skip")]):
        task = tiny_task(lr=1e-2)
        fit(task, tmp_path, *callbacks)
        ends.append(task.state_dict())
    for other in ends[1:]:
        torch.testing.assert_close(other, ends[0], rtol=0, atol=0)
