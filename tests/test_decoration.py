"""What only shows something cannot end what it shows."""

import logging
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks import (
    ClassificationPictures,
    Environment,
    Progress,
    RunSummary,
    TrainBatches,
    TrainingCurves,
)
from vision.cli.outputs import keep_logs
from vision.decoration import Decoration, decorative


def test_a_failure_is_one_warning_and_the_next_one_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guard = Decoration("the picture")
    for problem in ("a", "a", "b"):
        with guard:
            raise ValueError(problem)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "the picture: left out" in caplog.text
    assert "ValueError: b" in caplog.text


def test_ctrl_c_passes() -> None:
    with pytest.raises(KeyboardInterrupt), Decoration("the picture"):
        raise KeyboardInterrupt


def test_the_end_of_a_worker_passes() -> None:
    # Raised once, by PyTorch's handler of SIGCHLD: what swallows it leaves a run without data.
    with pytest.raises(RuntimeError, match="worker"), Decoration("the file env.json"):
        raise RuntimeError("DataLoader worker (pid 4255) is killed by signal: Killed. ")


def test_hooks_are_guarded_and_other_methods_are_not() -> None:
    @decorative("it")
    class Shows:
        def on_start(self) -> None:
            raise OSError("full")

        def result(self) -> None:
            raise OSError("full")

    Shows().on_start()
    with pytest.raises(OSError, match="full"):
        Shows().result()


def test_a_run_goes_on_without_its_pictures_logs_and_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(28, "No space left on device")

    for place in (
        "vision.callbacks.run.train_batches.replace_file",
        "vision.callbacks.run.curves.save_png",
        "vision.callbacks.results.classification_pictures.save_png",
        "vision.callbacks.run.summary._write",
        "vision.callbacks.run.environment.write_text",
        "vision.callbacks.run.progress.Progress._line",
        "vision.cli.metrics_log.write_text",
        "lightning.pytorch.loggers.TensorBoardLogger.log_metrics",
    ):
        monkeypatch.setattr(place, full)
    folder = tmp_path / "runs" / "name" / "version_0"
    callbacks = [
        TrainBatches(folder),
        TrainingCurves(folder, title="a", every_s=0.0),
        ClassificationPictures(folder),
        Environment(folder, command=["train.py"]),
        RunSummary(folder, title="a"),
        Progress(plain_every_s=0.0),
    ]
    logger = keep_logs(folder, resumed_step=0)
    options = {"callbacks": callbacks, "logger": logger, "enable_progress_bar": True}
    trainer = quiet_trainer(tmp_path, max_epochs=2, log_every_n_steps=1, **options)
    trainer.fit(tiny_task(), TinyData(train=16, val=8))
    assert trainer.current_epoch == 2
    for what in (
        *("pictures of training batches", "curves.png", "picture of the predictions", "env.json"),
        *("summary of the run", "line of progress", "log of metrics", "log for TensorBoard"),
    ):
        assert what in caplog.text
