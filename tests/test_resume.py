"""A run that is killed goes on as if nothing had happened."""

import multiprocessing
import shutil
import signal
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from helpers.forked import run_forked
from helpers.resumed_run import write_resumed_run
from helpers.train_runs import (
    ROOT,
    assert_same_end,
    contents,
    killed_at,
    read_state,
    run_here,
    start_and_end,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_resumed_run(tmp_path_factory.mktemp("resume"))


def options(runs: str, *more: str) -> list[str]:
    return ["fit", "--config", "config.yaml", "--runs_dir", runs, *more]


def train(folder: Path, runs: str, *more: str) -> int:
    """Train in this process; returns the exit code."""
    return run_here(folder, *options(runs, *more))


def train_and_end(
    folder: Path, runs: str, step: int, sent: str, *more: str
) -> CompletedProcess[str]:
    """Train in a process of its own, which gets a signal after some optimiser steps."""
    return start_and_end(folder, step, sent, *options(runs, *more)).wait()[0]


def run_of(folder: Path, runs: str) -> Path:
    return folder / runs / "run" / "version_0"


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """The folder of the uninterrupted run."""
    assert train(folder, "whole") == 0
    return run_of(folder, "whole")


@pytest.fixture(scope="module")
def killed(folder: Path) -> str:
    """Folder of a run that was killed in the middle of its second epoch."""
    assert train_and_end(folder, "killed", 5, "SIGKILL").returncode == -9
    before = read_state(run_of(folder, "killed"))
    assert (before["epoch"], before["global_step"]) == (1, 5)
    return "killed"


@pytest.fixture
def copied(folder: Path, killed: str, request: pytest.FixtureRequest) -> str:
    """A copy of the killed run."""
    name = request.node.name
    shutil.copytree(folder / killed, folder / name)
    return name


def test_a_killed_run_ends_with_the_same_bits(
    folder: Path, whole: Path, copied: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, copied, "--ckpt_path", "last") == 0
    assert "not resumable" not in capsys.readouterr().err
    assert_same_end(run_of(folder, copied), whole, steps=9)


@pytest.mark.parametrize(
    ("sent", "step"),
    [("SIGINT", 1), ("SIGINT", 4), ("SIGTERM", 4), ("SIGHUP", 4)],
    ids=["SIGINT in the first epoch", "SIGINT", "SIGTERM", "SIGHUP"],
)
def test_asked_to_stop_a_run_saves_where_it_is(
    folder: Path, whole: Path, sent: str, step: int, capsys: pytest.CaptureFixture[str]
) -> None:
    # All processes are asked, as by Ctrl-C, in the first of the two batches of a step: gradients
    # are not saved, so that the run stops after the step, for which it needs its workers.
    before = signal.getsignal(getattr(signal, sent))
    asked = killed_at(step, sent=sent, workers=True)
    runs = f"{sent}_{step}"
    code = train(folder, runs, "--checkpoint_every_n_steps", "null", *asked)
    assert code == 128 + getattr(signal, sent)
    message = capsys.readouterr().err
    assert f"stopped ({sent})" in message
    assert "last.ckpt with the same command and --ckpt_path last" in message
    assert read_state(run_of(folder, runs))["global_step"] == step + 1
    assert not multiprocessing.active_children()
    assert signal.getsignal(getattr(signal, sent)) == before
    assert train(folder, runs, "--resume") == 0
    assert_same_end(run_of(folder, runs), whole, steps=9)


def test_a_killed_worker_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str], copied: str
) -> None:
    before = contents(run_of(folder, copied) / "checkpoints")
    killed = killed_at(5, workers=True, itself=False)
    assert train(folder, copied, "--ckpt_path", "last", *killed) == 2
    message = capsys.readouterr().err
    assert "a data worker (process " in message
    assert "is killed by signal: Killed" in message
    assert "--data.num_workers 0" in message
    assert contents(run_of(folder, copied) / "checkpoints") == before


def test_with_nothing_to_go_on_from_a_run_does_not_start_afresh(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, "nothing", "--ckpt_path", "last") == 2
    assert "no run in" in capsys.readouterr().err
    assert not (folder / "nothing").exists()


def test_a_truncated_checkpoint_is_passed_over(
    folder: Path,
    whole: Path,
    copied: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    last = run_of(folder, copied) / "checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    assert train(folder, copied, "--ckpt_path", str(last)) == 2
    message = capsys.readouterr().err
    assert "last.ckpt" in message
    assert "truncated" in message
    # The best checkpoint is the one from the end of the first epoch.
    assert train(folder, copied, "--ckpt_path", "last") == 0
    assert "last.ckpt is truncated" in caplog.text
    assert_same_end(run_of(folder, copied), whole, steps=9)


def test_killed_at_a_random_moment_a_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    # In a step, a validation or the writing of a checkpoint; by hand: --kills 20.
    script = ROOT / "tests" / "helpers" / "kill_many.py"
    done = run_forked(script, "--kills", "1", "--seed", "4", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of them ended differently" in done.stdout
