from pathlib import Path

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch.callbacks import ModelCheckpoint

from vision.callbacks.run.best_checkpoint import BestCheckpoint, is_measured


def test_what_counts_as_measured() -> None:
    assert [is_measured(x) for x in (0.0, 0.5, 1.0, -1.0, float("nan"), float("inf"))] == [
        *(True, True, True, False, False, False)
    ]


def test_an_epoch_without_a_measurement_is_never_the_best(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    values = [-1.0, float("nan"), 0.25, -1.0]
    options = {"dirpath": tmp_path, "filename": "best", "monitor": "val/score", "mode": "max"}
    task, best = tiny_task(), BestCheckpoint(**options)
    task.on_validation_epoch_end = lambda: task.log("val/score", values[task.current_epoch])
    quiet_trainer(
        tmp_path, max_epochs=4, callbacks=[best], enable_checkpointing=True, num_sanity_val_steps=0
    ).fit(task, TinyData())
    assert float(best.best_model_score) == 0.25
    assert torch.load(tmp_path / "best.ckpt", weights_only=False)["epoch"] == 2
    assert "val/score is -1: nothing was measured" in caplog.text
    assert best.state_key == ModelCheckpoint(**options).state_key
