"""What a run writes of the machine and the moment it was made on."""

import json
import platform
import shlex
import subprocess
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch import Callback
from tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks import Environment
from vision.callbacks.environment import describe_hardware, describe_repository, list_versions
from vision.version import __version__

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
    assert "env.json cannot be written" in caplog.text


def test_versions_and_hardware_are_those_here() -> None:
    versions, hardware = list_versions(), describe_hardware()
    assert versions["vision"] == __version__
    assert versions["python"] == platform.python_version()
    assert versions["torch"] == torch.__version__
    assert versions["lightning"] == lightning.__version__
    assert hardware["cpu"]
    assert hardware["cores"] >= 1
    assert hardware["threads"] == torch.get_num_threads()
    assert len(hardware["gpus"]) == (torch.cuda.device_count() if torch.cuda.is_available() else 0)


def test_commit_and_changes_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path / "r"), *who, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert describe_repository(tmp_path) is None
    file = tmp_path / "r" / "a.txt"
    file.parent.mkdir()
    git("init", "-q")
    assert describe_repository(file.parent) is None  # no commit yet
    file.write_text("a")
    git("add", "a.txt")
    git("commit", "-qm", "a")
    commit = git("rev-parse", "HEAD")
    assert describe_repository(file.parent) == {"commit": commit, "dirty": False}
    file.write_text("b")
    assert describe_repository(file.parent) == {"commit": commit, "dirty": True}
    monkeypatch.setenv("PATH", str(tmp_path))  # without git
    assert describe_repository(file.parent) is None
