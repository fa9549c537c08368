"""One process at a time trains in the folder of a run."""

import errno
import fcntl
import os
import platform
import signal
import time
from pathlib import Path

import pytest
from helpers.held_run import end_process, hold_elsewhere
from helpers.refusals import refuses

from vision.cli.run_lock import LOCK, hold_run
from vision.cli.runs import check_unused, new_run_folder
from vision.errors import ConfigError


def test_a_run_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    holder = hold_elsewhere(tmp_path)
    try:
        with pytest.raises(ConfigError) as caught, hold_run(tmp_path):
            pass
    finally:
        end_process(holder)
    message = str(caught.value)
    assert f"{tmp_path} is in use by process {holder} on {platform.node()}, since 2" in message
    assert "--version" in message


def test_a_killed_process_leaves_no_lock_behind_though_its_worker_lives(tmp_path: Path) -> None:
    # The holder forks a process, as a training forks its data workers, which outlives it.
    holder = hold_elsewhere(tmp_path, worker=True)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    try:
        assert (tmp_path / LOCK).is_file()
        with hold_run(tmp_path):
            pass
    finally:
        os.killpg(holder, signal.SIGKILL)
    assert list(tmp_path.iterdir()) == []


def test_at_its_end_a_run_is_free_and_holds_no_trace(tmp_path: Path) -> None:
    with hold_run(tmp_path):
        assert (tmp_path / LOCK).is_file()
    end_process(hold_elsewhere(tmp_path))


def test_a_lock_that_goes_while_it_is_waited_for_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, removed = fcntl.lockf, []

    def lockf(descriptor: int, how: int) -> None:
        if not removed:  # the holder ends between the opening and the locking of its file
            removed.append((tmp_path / LOCK).unlink())
        own(descriptor, how)

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with hold_run(tmp_path):
        assert (tmp_path / LOCK).is_file()


def test_without_locks_the_user_is_warned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lockf(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with hold_run(tmp_path):
        assert "has no locks (No locks available)" in caplog.text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with refuses(ConfigError, "file/.lock", "--runs_dir"):
        hold_run(tmp_path / "file").__enter__()


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_of_many_starts_with_one_version_one_wins(tmp_path: Path, there: bool) -> None:
    """Each process does what `fit` does to take a folder, all of them at once."""
    if there:
        (tmp_path / "mine").mkdir()
    ready, go = os.pipe()
    processes = []
    for _ in range(8):
        if (process := os.fork()) == 0:
            os.close(go)
            os.read(ready, 1)  # until the other end is closed
            os._exit(take(tmp_path))
        processes.append(process)
    os.close(go)
    codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    os.close(ready)
    assert sorted(codes) == [0, *[2] * 7]


def take(parent: Path) -> int:
    """Take the folder `mine`, begin a run in it and end: 0, or 2 if it is another's."""
    try:
        folder = new_run_folder(parent, "mine")
        with hold_run(folder):
            check_unused("mine", folder)
            (folder / "config.yaml").touch()
            time.sleep(0.05)
    except ConfigError:
        return 2
    except BaseException:
        return 1
    return 0
