"""The evaluation is rehearsed before training begins, and leaves no trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_detection import tiny_detector
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn

from vision.callbacks.run.rehearsal import Rehearsal
from vision.data import COCO
from vision.errors import ConfigError, DataError
from vision.metrics.coco.metric import CocoEvaluator


class Steps(Callback):
    """Counts training steps, and notes the state of the random numbers in each."""

    def __init__(self) -> None:
        self.random: list[torch.Tensor] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.random.append(torch.get_rng_state())


def rehearsed(folder: Path, **options: Any) -> Any:
    return quiet_trainer(folder, **{"num_sanity_val_steps": 2, "max_epochs": 2, **options})


@pytest.mark.parametrize("resumed", [False, True], ids=["new", "resumed"])
def test_what_the_end_of_an_evaluation_raises_is_raised_before_the_first_step(
    tmp_path: Path, resumed: bool
) -> None:
    path = None
    if resumed:
        first = rehearsed(tmp_path, max_epochs=1)
        first.fit(tiny_task(), TinyData())
        first.save_checkpoint(path := tmp_path / "first.ckpt")
    task, steps = tiny_task(), Steps()

    def end_evaluation(stage: str) -> None:
        raise DataError("the masks of 'val.json' are missing.")

    task.end_evaluation = end_evaluation  # type: ignore[method-assign]
    with pytest.raises(DataError, match=r"val\.json"):
        rehearsed(tmp_path, callbacks=[steps]).fit(task, TinyData(), ckpt_path=path)
    assert steps.random == []


def test_masks_are_rehearsed_where_they_are_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_coco(tmp_path / "coco")
    task, steps = tiny_detector(detector="mask_rcnn"), Steps()
    kinds = []

    def compute(*_: Any, **options: Any) -> None:
        kinds.append(task.evaluator.masks)
        raise DataError("the ground truth has no masks.")

    monkeypatch.setattr(CocoEvaluator, "compute", compute)
    data = COCO(root=str(tmp_path / "coco"), batch_size=2, num_workers=0)
    with pytest.raises(DataError, match="no masks"):
        rehearsed(tmp_path, callbacks=[steps]).fit(task, data)
    assert (kinds, steps.random) == ([True], [])


@pytest.mark.parametrize("resumed", [False, True], ids=["new", "resumed"])
def test_a_rehearsal_leaves_no_trace(tmp_path: Path, resumed: bool) -> None:
    def run(sanity: int, epochs: int = 2, path: Path | None = None) -> tuple[Any, ...]:
        torch.manual_seed(3)
        task = tiny_task(drop_rate=0.5, ema_decay=0.9, lr=1e-2)
        task.head.add_module("norm", nn.BatchNorm1d(128))
        task.head.register_forward_pre_hook(lambda head, inputs: (head.norm(inputs[0]),))
        steps = Steps()
        trainer = rehearsed(
            tmp_path, callbacks=[steps], num_sanity_val_steps=sanity, max_epochs=epochs
        )
        trainer.fit(task, TinyData(), ckpt_path=path)
        trainer.save_checkpoint(tmp_path / f"{epochs}.ckpt")
        state = {**task.state_dict(), **{f"ema.{k}": v for k, v in task.average.weights.items()}}
        return state, steps.random, dict(trainer.callback_metrics)

    path = None
    if resumed:
        run(0, epochs=1)
        path = tmp_path / "1.ckpt"
    torch.testing.assert_close(run(2, path=path), run(0, path=path), rtol=0, atol=0)


@pytest.mark.parametrize("kind", [ModelCheckpoint, EarlyStopping])
def test_a_metric_that_a_callback_waits_for_in_vain_is_named(tmp_path: Path, kind: Any) -> None:
    steps = Steps()
    callbacks = [kind(monitor="val/top2"), Rehearsal(), steps]
    trainer = rehearsed(tmp_path, callbacks=callbacks, enable_checkpointing=True)
    with pytest.raises(ConfigError) as caught:
        trainer.fit(tiny_task(), TinyData())
    assert f"{kind.__name__} follows the metric 'val/top2'" in str(caught.value)
    assert "Did you mean 'val/top5' or 'val/top1'" in str(caught.value)
    assert steps.random == []


def test_metrics_of_the_training_are_not_awaited(tmp_path: Path) -> None:
    stopping = EarlyStopping(monitor="train/loss", check_on_train_epoch_end=True)
    rehearsed(tmp_path, callbacks=[stopping, Rehearsal()]).fit(tiny_task(), TinyData())
