"""A run that is killed goes on as if nothing had happened."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
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
    lr: 1.0e-2
    warmup_epochs: 1
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


def train(folder: Path, runs: str, *options: str, kill: tuple[int, str] | None = None) -> Any:
    command = [sys.executable, ROOT / "train.py", "fit", "--config", "config.yaml"]
    command += ["--runs_dir", runs, *options]
    if kill:
        callback = (
            f"{{class_path: kill_run.KillAt, init_args: {{step: {kill[0]}, sent: {kill[1]}}}}}"
        )
        command += ["--trainer.callbacks", f"[{callback}]"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def state(folder: Path, runs: str) -> dict[str, Any]:
    path = folder / runs / "run/version_0/checkpoints/last.ckpt"
    return torch.load(path, weights_only=True)


def metrics(folder: Path, runs: str) -> list[str]:
    return (folder / runs / "run/version_0/metrics.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, Any]:
    """The state at the end of the uninterrupted run."""
    finished = train(folder, "whole")
    assert finished.returncode == 0, finished.stderr
    return state(folder, "whole")


def assert_same_end(folder: Path, runs: str, whole: dict[str, Any]) -> None:
    resumed = state(folder, runs)
    assert resumed["global_step"] == whole["global_step"] == 9
    for key in ("state_dict", "ema_state_dict", "ema", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(resumed[key], whole[key], rtol=0, atol=0)
    # One continuous record, as if the run had never stopped.
    assert metrics(folder, runs) == metrics(folder, "whole")
    assert [path.name for path in (folder / runs / "run").iterdir()] == ["version_0"]


def test_a_killed_run_ends_with_the_same_bits(folder: Path, whole: dict[str, Any]) -> None:
    killed = train(folder, "killed", kill=(5, "SIGKILL"))
    assert killed.returncode == -9
    before = state(folder, "killed")
    assert (before["epoch"], before["global_step"]) == (1, 5)  # in mid-epoch
    resumed = train(folder, "killed", "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr
    assert "not resumable" not in resumed.stderr
    assert_same_end(folder, "killed", whole)


def test_asked_to_stop_a_run_saves_where_it_is(folder: Path, whole: dict[str, Any]) -> None:
    stopped = train(folder, "stopped", "--checkpoint_every_n_steps", "null", kill=(4, "SIGTERM"))
    assert stopped.returncode == 143
    assert "--ckpt_path last" in stopped.stderr
    before = state(folder, "stopped")
    # Between two batches of a step there are gradients, which are not saved.
    assert before["global_step"] in (3, 4)
    resumed = train(folder, "stopped", "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr
    assert_same_end(folder, "stopped", whole)


def test_with_nothing_to_go_on_from_a_run_does_not_start_afresh(folder: Path) -> None:
    refused = train(folder, "nothing", "--ckpt_path", "last")
    assert refused.returncode == 2
    assert "no run in" in refused.stderr
    assert not (folder / "nothing").exists()


def test_a_truncated_checkpoint_is_passed_over(folder: Path, whole: dict[str, Any]) -> None:
    assert train(folder, "cut", kill=(5, "SIGKILL")).returncode == -9
    checkpoints = folder / "cut/run/version_0/checkpoints"
    last = checkpoints / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    refused = train(folder, "cut", "--ckpt_path", str(last))
    assert refused.returncode == 2
    assert "last.ckpt" in refused.stderr
    assert "truncated" in refused.stderr
    # The best checkpoint is that of the first epoch's end.
    resumed = train(folder, "cut", "--ckpt_path", "last")
    assert resumed.returncode == 0, resumed.stderr
    assert "last.ckpt is truncated" in resumed.stderr
    assert_same_end(folder, "cut", whole)
