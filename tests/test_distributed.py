"""Two processes on the CPU do what one does."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[1]
# 24 training images make 3 batches of 8. Of 9 validation images one process of two gets 5, that is
# 2 batches of 4, and the other 4, that is one batch and one to fill up.
CONFIG = """
name: run
model:
  class_path: Classification
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 16, 24, 32], depths: [1, 1, 1, 1], layer_scale: 1.0}
    lr: 1.0e-3
    warmup_epochs: 1
    ema_decay: 0.9
data:
  class_path: ImageFolder
  init_args: {root: images, image_size: 32, num_workers: 0}
trainer:
  max_epochs: 2
  log_every_n_steps: 1
  accelerator: cpu
  gradient_clip_val: 1.0
checkpoint_every_n_steps: null
"""
COUNTS = {"train": {"ant": 8, "bee": 8, "cat": 8}, "val": {"ant": 4, "bee": 3, "cat": 2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "config.yaml").write_text(CONFIG)
    noise = torch.Generator().manual_seed(0)
    for split, counts in COUNTS.items():
        for label, count in counts.items():
            for i in range(count):
                path = folder / "images" / split / label / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = torch.randint(0, 256, (8, 9, 3), dtype=torch.uint8, generator=noise)
                Image.fromarray(pixels.numpy()).resize((48, 40)).save(path)
    return folder


def command(folder: Path, name: str, *options: str) -> str:
    """Run a command of train.py on the CPU; returns what it has printed."""
    run = [sys.executable, ROOT / "train.py", name, "--config", "config.yaml", *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(run, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "4"]
SHARDED = [*TWO, "--trainer.strategy", "{class_path: cpu_fsdp.CpuFsdp}"]
ONE = ["--trainer.devices", "1", "--data.batch_size", "8"]


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Path]:
    """The folder of a run by two processes, of one by one, and of one with spread weights."""
    for name, options in (("two", TWO), ("one", ONE), ("sharded", SHARDED)):
        command(folder, "fit", "--runs_dir", name, *options)
    return {name: folder / name / "run" / "version_0" for name in ("two", "one", "sharded")}


def read_metrics(run: Path, name: str) -> list[float]:
    with (run / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def validations(run: Path) -> list[dict[str, float]]:
    names = ("val/loss", "val/top1", "val/top5")
    columns = [read_metrics(run, name) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("name", ["two", "sharded"])
def test_two_processes_get_the_metrics_of_one(runs: dict[str, Path], name: str) -> None:
    two, one = validations(runs[name]), validations(runs["one"])
    assert len(two) == len(one) == 2
    for ours, expected in zip(two, one, strict=True):
        assert ours == pytest.approx(expected, rel=1e-4)
    assert {round(9 * row["val/top1"], 3) % 1 for row in two} == {0.0}  # ninths: each image once


@pytest.mark.parametrize("name", ["two", "sharded"])
def test_two_processes_get_the_weights_of_one(runs: dict[str, Path], name: str) -> None:
    two, one = (
        torch.load(runs[run] / "checkpoints/last.ckpt", weights_only=True) for run in (name, "one")
    )
    for key in ("state_dict", "ema_state_dict"):
        assert list(two[key]) == list(one[key])
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=2e-4)


def test_there_is_one_run(runs: dict[str, Path]) -> None:
    assert [path.name for path in runs["two"].parent.iterdir()] == ["version_0"]


def test_predictions_name_each_image_once(folder: Path, runs: dict[str, Path]) -> None:
    tables = {}
    for name, options in (("two", TWO), ("one", ONE)):
        output = folder / f"{name}.csv"
        checkpoint = str(runs["one"] / "checkpoints/last.ckpt")
        command(folder, "predict", "--ckpt_path", checkpoint, "--output", str(output), *options)
        with output.open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert len(tables["two"]) == 9
    for ours, expected in zip(tables["two"], tables["one"], strict=True):
        assert (ours["path"], ours["label"]) == (expected["path"], expected["label"])
        assert float(ours["score"]) == pytest.approx(float(expected["score"]), abs=1e-4)


def resume(folder: Path, name: str, options: list[str]) -> Path:
    """Train for an epoch, then go on; the first epoch is the warm-up, alike for any number."""
    again = ["--runs_dir", f"{name}_again", *options]
    command(folder, "fit", *again, "--trainer.max_epochs", "1")
    command(folder, "fit", *again, "--ckpt_path", "last")
    return folder / f"{name}_again/run/version_0"


def test_a_run_of_two_processes_is_resumed(folder: Path, runs: dict[str, Path]) -> None:
    ends = [validations(run)[-1] for run in (resume(folder, "two", TWO), runs["two"])]
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


def test_spread_weights_and_averages_are_resumed(folder: Path, runs: dict[str, Path]) -> None:
    resumed = resume(folder, "sharded", SHARDED)
    # The loss of the first step tells the weights. What comes after it cannot be compared: on the
    # CPU, PyTorch's FSDP writes the second moment of each weight in place of the first.
    losses = [read_metrics(run, "train/loss")[3] for run in (resumed, runs["sharded"])]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    checkpoint = torch.load(resumed / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["ema"]["updates"] == 6
    whole = torch.load(runs["sharded"] / "checkpoints/last.ckpt", weights_only=True)
    torch.testing.assert_close(
        checkpoint["ema_state_dict"], whole["ema_state_dict"], rtol=0, atol=5e-3
    )


def test_spread_weights_are_measured_as_averages(folder: Path, runs: dict[str, Path]) -> None:
    checkpoint = ["--ckpt_path", str(runs["sharded"] / "checkpoints/last.ckpt")]
    shown = command(folder, "validate", *checkpoint, *SHARDED)
    (loss,) = re.findall(r"val/loss\W+([\d.]+)", shown)
    assert float(loss) == pytest.approx(validations(runs["sharded"])[-1]["val/loss"], rel=1e-5)
