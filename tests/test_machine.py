"""The description of the machine, against the system and git."""

import platform
import subprocess
from pathlib import Path

import lightning
import pytest
import torch

from vision.machine import cpu_name, describe_hardware, describe_repository, list_versions
from vision.version import __version__


def test_versions_and_hardware_are_those_here() -> None:
    versions, hardware = (
        list_versions(("torch", "lightning", "no-such-package")),
        describe_hardware(),
    )
    assert versions["vision"] == __version__
    assert versions["python"] == platform.python_version()
    assert versions["torch"] == torch.__version__
    assert versions["lightning"] == lightning.__version__
    assert "no-such-package" not in versions
    assert hardware["cpu"] == cpu_name() != ""
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
