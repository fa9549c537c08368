"""Checkpoints are written whole or not at all, and reading them runs nothing."""

import os
import pickle
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.forked import run_forked
from helpers.refusals import refuses

from vision.callbacks.run.checkpoint_io import AtomicCheckpointIO
from vision.errors import CheckpointError
from vision.weights.checkpoint_file import read_checkpoint

BEFORE = {"state_dict": {"weight": torch.arange(5.0)}, "global_step": 1}
AFTER = {"state_dict": {"weight": torch.randn(100_000)}, "global_step": 2}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint that is there already."""
    path = tmp_path / "checkpoints" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint(BEFORE, path)
    return path


def assert_is_before(path: Path) -> None:
    torch.testing.assert_close(AtomicCheckpointIO().load_checkpoint(path), BEFORE)


def test_a_round_trip_leaves_nothing_else(path: Path) -> None:
    assert_is_before(path)
    AtomicCheckpointIO().save_checkpoint(AFTER, path)
    torch.testing.assert_close(AtomicCheckpointIO().load_checkpoint(path), AFTER)
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


# Files of this process may have 100 kB: writing more fails as on a full disk.
FULL_DISK = """
import resource, sys, torch
from pathlib import Path
from vision.callbacks.run.checkpoint_io import AtomicCheckpointIO
from vision.errors import CheckpointError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    AtomicCheckpointIO().save_checkpoint({"weight": torch.zeros(100_000)}, Path(sys.argv[1]))
except CheckpointError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limits on the size of files")
def test_a_full_disk_leaves_the_checkpoint_before(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "full_disk.py"
    script.write_text(FULL_DISK)
    done = run_forked(script, str(path), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    message = done.stdout
    assert f"the checkpoint '{path}' cannot be written: File too large" in message
    assert "GiB are free" in message
    assert "the one written before is whole" in message
    assert "--ckpt_path last" in message
    assert_is_before(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_a_kill_while_writing_leaves_the_checkpoint_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(checkpoint: Any, file: Any) -> None:
        file.write(b"half of it")
        raise KeyboardInterrupt  # as SIGKILL, nothing is tidied up

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(KeyboardInterrupt):
        AtomicCheckpointIO().save_checkpoint(AFTER, path)
    assert_is_before(path)
    monkeypatch.undo()
    AtomicCheckpointIO().save_checkpoint(AFTER, path)  # what was left over is no obstacle
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refuses(CheckpointError, "file/last.ckpt", "none yet"):
        AtomicCheckpointIO().save_checkpoint(BEFORE, tmp_path / "file" / "last.ckpt")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_checkpoint_is_named(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with refuses(CheckpointError, "last.ckpt", "truncated"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_an_absent_checkpoint_is_named(tmp_path: Path) -> None:
    with refuses(CheckpointError, "there is no checkpoint"):
        read_checkpoint(tmp_path / "last.ckpt")


class Malicious:
    """Creates a file when it is unpickled by ordinary means."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("weights_only", [True, False, None])
def test_reading_runs_no_code(tmp_path: Path, weights_only: bool | None) -> None:
    torch.save({"state_dict": {}, "more": Malicious(tmp_path / "run")}, tmp_path / "new.ckpt")
    (tmp_path / "old.ckpt").write_bytes(pickle.dumps({"more": Malicious(tmp_path / "run")}))
    for name in ("new.ckpt", "old.ckpt"):
        with pytest.raises(CheckpointError, match=name):
            AtomicCheckpointIO().load_checkpoint(tmp_path / name, weights_only=weights_only)
    assert not (tmp_path / "run").exists()
