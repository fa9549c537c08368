"""Two processes on the CPU, started by torchrun, do what one does."""

import csv
import re
from pathlib import Path

import pytest
import torch
from helpers.train_runs import read_state, run_here, torchrun_two
from PIL import Image

from vision.weights.model_file import read_model

# 24 training images make 3 batches of 8. Of 9 validation images one process of two gets 5, that is
# 2 batches of 4, and the other 4, that is one batch and one to fill up.
CONFIG = """
name: run
model:
  class_path: Classification
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 16, 24, 32], depths: [1, 1, 1, 1], layer_scale: 1.0}
    memory: lean
    optim: {lr: 1.0e-3, warmup_epochs: 1}
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


TWO = ["--trainer.devices", "2", "--trainer.strategy", "ddp", "--data.batch_size", "4"]
SHARDED = [*TWO, "--trainer.strategy", "{class_path: helpers.cpu_fsdp.CpuFsdp}"]
FSDP2 = [*TWO, "--trainer.strategy", "fsdp2"]
ONE = ["--trainer.devices", "1", "--data.batch_size", "8"]
# PyTorch's FSDP is not made for the CPU: with 2.11 it crashes while it gathers Adam's state.
HAS_CPU_FSDP = tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 14)
needs_cpu_fsdp = pytest.mark.skipif(not HAS_CPU_FSDP, reason="this PyTorch's FSDP fails on the CPU")


SPREAD = [pytest.param("sharded", marks=needs_cpu_fsdp), "fsdp2_again"]
by_two = pytest.mark.parametrize("name", ["two", *SPREAD])
spread = pytest.mark.parametrize("name", SPREAD)


def command(name: str, *options: str) -> list[str]:
    return [name, "--config", "config.yaml", *options]


def resumed(name: str, options: list[str]) -> list[list[str]]:
    """Train for an epoch, then go on; the first epoch is the warm-up, alike for any number."""
    again = ["--runs_dir", f"{name}_again", *options]
    return [
        command("fit", *again, "--trainer.max_epochs", "1"),
        command("fit", *again, "--ckpt_path", "last"),
    ]


def predict(name: str, options: list[str]) -> list[str]:
    checkpoint = "one/run/version_0/checkpoints/last.ckpt"
    return command("predict", "--ckpt_path", checkpoint, "--output", f"{name}.csv", *options)


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    """What two processes have printed, after one process and then they have run everything.

    Of FSDP2 there is only a resumed run, which has to be that of one process to its end.
    """
    for alone in (command("fit", "--runs_dir", "one", *ONE), predict("one", ONE)):
        assert run_here(folder, *alone) == 0
    together = [command("fit", "--runs_dir", "two", *TWO), predict("two", TWO)]
    together += resumed("two", TWO)
    together += resumed("fsdp2", FSDP2)
    together += [command("validate", "--ckpt_path", "last", "--runs_dir", "fsdp2_again", *FSDP2)]
    if HAS_CPU_FSDP:
        together += [command("fit", "--runs_dir", "sharded", *SHARDED)]
        together += resumed("sharded", SHARDED)
        together += [command("validate", "--ckpt_path", "last", "--runs_dir", "sharded", *SHARDED)]
    return torchrun_two(folder, *together).stdout


@pytest.fixture(scope="module")
def runs(folder: Path, shown: str) -> dict[str, Path]:
    """Folders of runs: by one process, by two, by two with spread weights, and resumed ones."""
    names = ("one", "two", "sharded", "two_again", "sharded_again", "fsdp2_again")
    return {name: folder / name / "run" / "version_0" for name in names}


def read_metrics(run: Path, name: str) -> list[float]:
    with (run / "metrics.csv").open(newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row[name]]


def validations(run: Path) -> list[dict[str, float]]:
    names = ("val/loss", "val/top1", "val/top5")
    columns = [read_metrics(run, name) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


@by_two
def test_two_processes_get_the_metrics_of_one(runs: dict[str, Path], name: str) -> None:
    two, one = validations(runs[name]), validations(runs["one"])
    assert len(two) == len(one) == 2
    for ours, expected in zip(two, one, strict=True):
        assert ours == pytest.approx(expected, rel=1e-4)
    assert {round(9 * row["val/top1"], 3) % 1 for row in two} == {0.0}  # ninths: each image once


@by_two
def test_two_processes_get_the_weights_of_one(runs: dict[str, Path], name: str) -> None:
    two, one = (read_state(runs[run]) for run in (name, "one"))
    for key in ("state_dict", "ema_state_dict"):
        assert list(two[key]) == list(one[key])
        torch.testing.assert_close(two[key], one[key], rtol=1e-3, atol=2e-4)


def test_there_is_one_run(runs: dict[str, Path]) -> None:
    assert [path.name for path in runs["two"].parent.iterdir()] == ["version_0"]


def test_predictions_name_each_image_once(folder: Path, shown: str) -> None:
    tables = {}
    for name in ("two", "one"):
        with (folder / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    assert len(tables["two"]) == 9
    for ours, expected in zip(tables["two"], tables["one"], strict=True):
        assert (ours["path"], ours["label"]) == (expected["path"], expected["label"])
        assert float(ours["score"]) == pytest.approx(float(expected["score"]), abs=1e-4)


def test_a_run_of_two_processes_is_resumed(runs: dict[str, Path]) -> None:
    ends = [validations(runs[name])[-1] for name in ("two_again", "two")]
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)


@spread
def test_spread_averages_are_whole_in_the_file_of_the_model(
    runs: dict[str, Path], name: str
) -> None:
    for kind in ("best", "last"):
        state, description = read_model(runs[name] / f"weights/{kind}.safetensors")
        averages = dict(read_state(runs[name], kind)["ema_state_dict"])
        torch.testing.assert_close(state, averages, rtol=0, atol=0)
        assert description is not None
        assert description["averaged"]


@needs_cpu_fsdp
def test_spread_weights_and_averages_are_resumed(runs: dict[str, Path]) -> None:
    again, whole = runs["sharded_again"], runs["sharded"]
    # The loss of the first step tells the weights. What comes after it cannot be compared: on the
    # CPU, PyTorch's FSDP writes the second moment of each weight in place of the first.
    losses = [read_metrics(run, "train/loss")[3] for run in (again, whole)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    states = [read_state(run) for run in (again, whole)]
    assert states[0]["ema"]["updates"] == 6
    averages = [state["ema_state_dict"] for state in states]
    torch.testing.assert_close(averages[0], averages[1], rtol=0, atol=5e-3)


@spread
def test_spread_weights_are_measured_as_averages(
    shown: str, runs: dict[str, Path], name: str
) -> None:
    begin = f"+ validate --config config.yaml --ckpt_path last --runs_dir {name} "
    losses = re.findall(r"val/loss\W+([\d.]+)", shown.rpartition(begin)[2])
    expected = validations(runs[name])[-1]["val/loss"]
    assert float(losses[0]) == pytest.approx(expected, rel=1e-5)
