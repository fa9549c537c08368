"""A run that is killed goes on as if nothing had happened."""

import multiprocessing
import shutil
import signal
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import torch
from PIL import Image
from train_runs import (
    assert_same_end,
    contents,
    killed_at,
    read_state,
    run_here,
    start_and_end,
    wait_for,
)

# Everything that has a state of its own: shuffling, workers, augmentation, mixing, dropout, drop
# path, averages, accumulation, schedule. 24 images make 6 batches, 3 optimiser steps per epoch.
CONFIG = """
name: run
model:
  class_path: Classification
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 16, 24, 32], depths: [1, 1, 1, 1], drop_path_rate: 0.3}
    drop_rate: 0.2
    optim: {lr: 1.0e-2, warmup_epochs: 1}
    ema_decay: 0.9
    mix: {mixup: 0.8, cutmix: 1.0, erasing: 0.5}
data:
  class_path: ImageFolder
  init_args:
    root: images
    val_fraction: 0.25
    image_size: 32
    augment: {interpolation: random, rand_augment: rand-m9-mstd0.5-inc1, color_jitter: 0.4}
    batch_size: 4
    num_workers: 2
trainer:
  max_epochs: 3
  accumulate_grad_batches: 2
  gradient_clip_val: 5.0
  log_every_n_steps: 1
  accelerator: cpu
threads: 1
checkpoint_every_n_steps: 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    (folder / "config.yaml").write_text(CONFIG)
    noise = torch.Generator().manual_seed(0)
    for label in ("cat", "dog"):
        for i in range(16):
            path = folder / "images" / label / f"{i}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = torch.randint(0, 256, (6, 7, 3), dtype=torch.uint8, generator=noise)
            Image.fromarray(pixels.numpy()).resize((50, 44)).save(path)
    return folder


def options(runs: str, *more: str) -> list[str]:
    return ["fit", "--config", "config.yaml", "--runs_dir", runs, *more]


def train(folder: Path, runs: str, *more: str) -> int:
    """Train in this process; returns the exit code."""
    return run_here(folder, *options(runs, *more))


def train_and_end(
    folder: Path, runs: str, step: int, sent: str, *more: str
) -> CompletedProcess[str]:
    """Train in a process of its own, which gets a signal after some optimiser steps."""
    return wait_for(start_and_end(folder, step, sent, *options(runs, *more)))


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


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_asked_to_stop_a_run_saves_where_it_is(
    folder: Path, whole: Path, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # All processes are asked, as by Ctrl-C, in the first of the two batches of a step: gradients
    # are not saved, so that the run stops after the step, for which it needs its workers.
    before = signal.getsignal(getattr(signal, sent))
    asked = killed_at(4, sent=sent, workers=True)
    code = train(folder, sent, "--checkpoint_every_n_steps", "null", *asked)
    assert code == 128 + getattr(signal, sent)
    message = capsys.readouterr().err
    assert f"stopped ({sent})" in message
    assert "last.ckpt with the same command and --ckpt_path last" in message
    assert read_state(run_of(folder, sent))["global_step"] == 5
    assert not multiprocessing.active_children()
    assert signal.getsignal(getattr(signal, sent)) == before
    assert train(folder, sent, "--ckpt_path", "last") == 0
    assert_same_end(run_of(folder, sent), whole, steps=9)


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
    # The best checkpoint is that of the first epoch's end.
    assert train(folder, copied, "--ckpt_path", "last") == 0
    assert "last.ckpt is truncated" in caplog.text
    assert_same_end(run_of(folder, copied), whole, steps=9)
