"""What a run writes of the machine and the moment it was made on."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback

from vision.callbacks import Environment

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
