"""What a run writes of the machine and the moment it was made on."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback, Trainer

from vision.callbacks import Environment, RunSummary
from vision.callbacks.run import environment
from vision.callbacks.run.environment import trained_seconds

COMMAND = ["python", "train.py", "fit", "--name", "two words"]


def fit(folder: Path, *more: Callback) -> None:
    torch.manual_seed(7)
    trainer = quiet_trainer(folder, callbacks=[Environment(folder, command=COMMAND), *more])
    trainer.fit_loop.max_epochs = 1
    task = tiny_task()
    torch.manual_seed(7)
    trainer.fit(task, TinyData(train=4, val=4))


def starts(folder: Path) -> list[dict[str, Any]]:
    return json.loads((folder / "env.json").read_text())["starts"]


def test_each_start_has_an_entry_which_its_end_completes(tmp_path: Path) -> None:
    seen = []

    class Look(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append(starts(tmp_path)[-1])

    class Fail(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            raise ZeroDivisionError

    fit(tmp_path, Look())
    assert (seen[0]["status"], seen[0]["end"]) == ("running", None)
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, Fail())
    first, second = starts(tmp_path)
    assert shlex.split(first["command"]) == COMMAND
    assert (first["status"], first["seed"], first["first_step"]) == ("finished", 7, 0)
    assert (first["last_step"], first["processes"]) == (1, 1)
    assert first["precision"] == "32-true"
    assert first["start"] <= first["end"]
    assert first["start"].endswith("+00:00")
    assert first["seconds"] > 0
    assert second["status"] == "failed: ZeroDivisionError"


def test_the_summary_and_the_file_have_one_clock_for_all_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tmp_path)
    (first,) = starts(tmp_path)
    first["seconds"] = 100.0
    (tmp_path / "env.json").write_text(json.dumps({"starts": [first]}))
    fit(tmp_path, RunSummary(tmp_path, title="t"))
    seconds = [one["seconds"] for one in starts(tmp_path)]
    assert 100 < sum(seconds) == trained_seconds(tmp_path)
    assert f"training time  {sum(seconds):.1f} s" in capsys.readouterr().out
    assert trained_seconds(tmp_path / "absent") is None


def test_the_clock_counts_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(environment.time, "perf_counter", lambda: now[0])

    class Slow(Callback):
        def on_sanity_check_start(self, *_: Any) -> None:
            now[0] += 1000

        def on_train_batch_end(self, *_: Any) -> None:
            now[0] += 5

        def on_validation_start(self, trainer: Trainer, *_: Any) -> None:
            now[0] += 0 if trainer.sanity_checking else 2

        def on_fit_end(self, *_: Any) -> None:
            now[0] += 1000

    callbacks = [Slow(), Environment(tmp_path, command=COMMAND)]
    options = {"callbacks": callbacks, "max_epochs": 2, "num_sanity_val_steps": 1}
    quiet_trainer(tmp_path, **options).fit(tiny_task(), TinyData(train=4, val=4))
    (start,) = starts(tmp_path)
    assert start["seconds"] == 2 * (5 + 2)


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "env.json").write_text('{"starts": [')
    fit(tmp_path)
    assert len(starts(tmp_path)) == 1
    (aside,) = tmp_path.glob("env_damaged_*.json")
    assert aside.read_text() == '{"starts": ['


def test_a_folder_that_cannot_be_written_to_does_not_end_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    trainer = quiet_trainer(
        tmp_path, callbacks=[Environment(tmp_path / "file", command=COMMAND)], max_epochs=1
    )
    trainer.fit(tiny_task(), TinyData(train=4, val=4))
    assert "env.json: left out, as it failed" in caplog.text
