"""Semantic segmentation through the commands of train.py: what runs write, resume and refuse."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from helpers.forked import Forked
from helpers.tiny_masks import CLASSES, write_mask_folder
from helpers.train_runs import (
    assert_same_end,
    contents,
    read_json,
    read_state,
    run_here,
    start_and_end,
    start_in_two,
    succeed,
)
from PIL import Image

from vision.cli.commands import evaluate

# Everything random there is: order, workers, scales, crops, colours, drop path, dropout. Seven
# images make 3 batches of 2 in an epoch; the length is given in steps, validation every 2 of them.
COUNTS = {"train": 7, "val": 3}
CONFIG = """
name: run
model:
  class_path: Segmentation
  init_args:
    backbone: convnext
    backbone_options: {dims: [8, 8, 16, 16], depths: [1, 1, 1, 1], drop_path_rate: 0.3}
    segmentor: upernet
    head_options: {channels: 8}
    auxiliary_options: {channels: 8}
    optim: {lr: 3.0e-3, warmup_steps: 2, lr_schedule: poly}
    ema_decay: 0.9
data:
  class_path: MaskFolder
  init_args:
    root: masks
    short_side: 64
    long_side: 128
    augment: {short_side: 64, long_side: 128, crop: [64, 64]}
    batch_size: 2
    num_workers: 2
trainer:
  max_steps: 6
  max_epochs: -1
  val_check_interval: 2
  check_val_every_n_epoch: null
  log_every_n_steps: 1
  accelerator: cpu
  num_sanity_val_steps: 1
threads: 1
checkpoint_every_n_steps: 1
"""
ALONE = ["--data.batch_size", "1", "--data.num_workers", "0"]
TWO = [*ALONE, "--trainer.devices", "2", "--trainer.strategy", "ddp"]
NUMBERS = ["classes.csv", "metrics.json"]


def command(name: str, *options: str) -> list[str]:
    return [name, "--config", "config.yaml", *options]


KILLED = command("fit", "--runs_dir", "killed")
TOGETHER = [
    command("fit", "--runs_dir", "together", *TWO, "--trainer.max_steps", "2"),
    command("validate", "--runs_dir", "together", *TWO, "--ckpt_path", "best"),
    command("predict", "--runs_dir", "together", *TWO, "--ckpt_path", "best"),
]


class Others(NamedTuple):
    """Processes that run beside this one."""

    killed: Forked  # by itself, in the middle of its second epoch
    two: Forked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segmentation")
    (folder / "config.yaml").write_text(CONFIG)
    write_mask_folder(folder / "masks", counts=COUNTS)
    return folder


@pytest.fixture(scope="module")
def others(folder: Path) -> Iterator[Others]:
    started = Others(
        killed=start_and_end(folder, 4, "SIGKILL", *KILLED), two=start_in_two(folder, *TOGETHER)
    )
    yield started
    for process in started:
        process.wait()


@pytest.fixture(scope="module")
def whole(folder: Path, others: Others) -> Path:
    """The folder of an uninterrupted run."""
    assert run_here(folder, *command("fit")) == 0
    return folder / "runs" / "run" / "version_0"


# ------------------------------------------------------------------------------- what is written


def test_fit_writes_checkpoints_and_the_numbers_of_the_best_validation(whole: Path) -> None:
    written = contents(whole / "validation")
    assert sorted(written) == sorted([*NUMBERS, "examples.png"])
    numbers = json.loads(written["metrics.json"])
    assert list(numbers["IoU"]) == list(CLASSES)
    assert 0 < numbers["mIoU"] < 1
    best = read_state(whole, "best")
    kept = next(v for k, v in best["callbacks"].items() if k.startswith("ModelCheckpoint"))
    assert numbers["mIoU"] == pytest.approx(kept["best_model_score"].item(), rel=1e-6)
    assert best["class_names"] == list(CLASSES)
    assert read_state(whole)["global_step"] == 6
    lines = (whole / "metrics.csv").read_text().splitlines()
    header = lines[0].split(",")
    assert {"train/loss", "train/auxiliary_cross_entropy", "val/mIoU", "val/mBIoU"} <= {*header}
    column = header.index("val/mIoU")
    assert sum(bool(line.split(",")[column]) for line in lines[1:]) == 3


@pytest.fixture(scope="module")
def validated(folder: Path, whole: Path) -> Path:
    """What `validate` writes."""
    assert run_here(folder, *command("validate", "--ckpt_path", "best")) == 0
    return whole / "validation"


def test_validate_writes_masks_in_colours_and_overlays(folder: Path, validated: Path) -> None:
    for i in range(COUNTS["val"]):
        image = Image.open(folder / "masks" / "images" / "val" / f"{i}.png")
        mask = Image.open(validated / "masks" / f"{i}.png")
        assert (mask.mode, mask.size) == ("P", image.size)
        assert np.asarray(mask).max() < len(CLASSES)
        assert Image.open(validated / "overlays" / f"{i}.png").size == image.size


def test_the_tool_gives_the_numbers_of_the_run(folder: Path, validated: Path) -> None:
    words = ["segmentation", "--json", str(folder / "out.json")]
    words += ["--annotations", str(folder / "masks/masks/val")]
    words += ["--predictions", str(validated / "masks"), "--num-classes", str(len(CLASSES))]
    assert evaluate.main(words) == 0
    ours, theirs = read_json(folder / "out.json"), read_json(validated / "metrics.json")
    for name in ("mIoU", "mAcc", "aAcc"):
        assert ours[name] == pytest.approx(theirs[name], abs=1e-12)
    assert ours["IoU"] == pytest.approx(list(theirs["IoU"].values()), abs=1e-12)


def test_predictions_are_label_maps(folder: Path, whole: Path, validated: Path) -> None:
    assert run_here(folder, *command("predict", "--ckpt_path", "best")) == 0
    written = contents(whole / "predictions")
    assert written == contents(validated / "masks")
    assert run_here(folder, *command("predict", "--ckpt_path", "best", "--output", "new")) == 0
    assert contents(folder / "new") == written
    options = ["--ckpt_path", "best", "--output", "config.yaml"]
    assert run_here(folder, *command("predict", *options)) == 2


def test_windows_and_scales_are_options_of_an_evaluation(folder: Path, whole: Path) -> None:
    options = ["--ckpt_path", "best", "--model.inference.mode", "slide"]
    options += ["--model.inference.window", "[32, 32]", "--model.inference.stride", "[24, 24]"]
    options += ["--model.inference.scales", "[0.75, 1.0, 1.25]", "--model.inference.flip", "true"]
    assert run_here(folder, *command("validate", *options, "--runs_dir", "runs")) == 0


# --------------------------------------------------------------------------------------- resumed


def test_a_killed_run_ends_with_the_same_bits(folder: Path, whole: Path, others: Others) -> None:
    run = folder / "killed" / "run" / "version_0"
    assert others.killed.wait()[0].returncode == -9
    before = read_state(run)
    assert (before["epoch"], before["global_step"]) == (1, 4)
    assert run_here(folder, *KILLED, "--ckpt_path", "last") == 0
    assert_same_end(run, whole, steps=6)


def test_weights_are_moved_to_the_classes_of_the_data(
    folder: Path, whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    best = whole / "checkpoints" / "best.ckpt"
    options = ["--data.classes", "[egg, pond, ground]", "--model.weights", str(best)]
    assert run_here(folder, *command("fit", *options, "--trainer.fast_dev_run", "1")) == 0
    assert "mapped 2 of 3 classes by name: egg, ground; 1 without a counterpart" in caplog.text


# --------------------------------------------------------------------------------- two processes


def test_two_processes_measure_and_write_what_one_does(folder: Path, others: Others) -> None:
    assert not any("recommended" in done.stderr for done in succeed(others.two))
    together = folder / "together" / "run" / "version_0"
    shutil.copytree(together / "checkpoints", folder / "alone" / "checkpoints")
    path = str(folder / "alone" / "checkpoints" / "best.ckpt")
    assert run_here(folder, *command("validate", "--ckpt_path", path, *ALONE)) == 0
    two, one = (contents(run / "validation") for run in (together, folder / "alone"))
    assert sorted(two) == sorted(one)
    for name in one:
        if name.startswith("masks") or name in NUMBERS:
            assert two[name] == one[name], name
    masks = contents(folder / "alone" / "validation" / "masks")
    assert contents(together / "predictions") == masks


# ------------------------------------------------------------------------------------ mistakes

Damage = Callable[[Path], None]


def change_mask(change: Callable[[np.ndarray], np.ndarray]) -> Damage:
    def damage(root: Path) -> None:
        path = root / "masks" / "train" / "2.png"
        Image.fromarray(change(np.asarray(Image.open(path)).copy())).save(path)

    return damage


def with_value(mask: np.ndarray) -> np.ndarray:
    mask[3, 5:9] = 200
    return mask


def cut_off(root: Path) -> None:
    path = root / "masks" / "train" / "2.png"
    path.write_bytes(path.read_bytes()[:60])


def remove(root: Path) -> None:
    (root / "masks" / "train" / "2.png").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (change_mask(with_value), ["train/2.png", "value 200 in 4 pixels", "row 3, column 5"]),
        (change_mask(lambda mask: mask[:-3]), ["train/2.png", "37", "40"]),
        (change_mask(lambda mask: mask[..., None].repeat(3, 2)), ["train/2.png", "RGB", "colors"]),
        (cut_off, ["train/2.png"]),
        (remove, ["train/2"]),
    ],
    ids=["value", "size", "colours", "truncated", "missing"],
)
def test_a_bad_mask_is_named(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Damage,
    words: list[str],
) -> None:
    shutil.copytree(folder / "masks", tmp_path / "masks")
    (tmp_path / "config.yaml").write_text(CONFIG)
    damage(tmp_path / "masks")
    assert run_here(tmp_path, *command("fit", "--data.num_workers", "0")) == 2
    message = capsys.readouterr().err
    assert message.count("error: ") == 1
    assert "Traceback" not in message
    for word in words:
        assert word in message
