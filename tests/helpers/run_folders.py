"""Folders of runs as a training leaves them, made without one, for the tests of comparisons."""

import csv
import json
from pathlib import Path
from typing import Any

import torch
import yaml

from vision.tasks.base import BaseTask

Rows = list[dict[str, Any]]
# Validation after each of two epochs of ten steps.
VALIDATED: Rows = [
    {"epoch": 0, "step": 4, "train/loss": 2.0},
    {"epoch": 0, "step": 9, "val/loss": 1.5, "val/top1": 0.5},
    {"epoch": 1, "step": 19, "val/loss": 1.0, "val/top1": 0.75},
    {"epoch": 2, "step": 29, "val/loss": 1.25, "val/top1": 0.625},
]
CONFIG: dict[str, Any] = {
    "seed_everything": 0,
    "trainer": {"max_epochs": 3, "accumulate_grad_batches": 2},
    "model": {
        "class_path": "vision.tasks.Classification",
        "init_args": {"backbone": "convnext", "optim": {"lr": 0.002}},
    },
    "data": {"class_path": "vision.data.Digits", "init_args": {"batch_size": 64}},
    "name": "digits",
    "runs_dir": "runs",
    "version": None,
}
START: dict[str, Any] = {
    "status": "finished",
    "seconds": 20.0,
    "first_step": 0,
    "last_step": 30,
    "processes": 1,
    "precision": "32-true",
    "device": "cpu",
    "hardware": {"cpu": "A processor", "cores": 4, "threads": 2, "gpus": []},
}


def write_metrics(folder: Path, rows: Rows) -> Path:
    """`metrics.csv`, as the logger of the suite writes it."""
    names = sorted({name for row in rows for name in row})
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "metrics.csv"


def write_checkpoint(path: Path, task: BaseTask, **more: Any) -> Path:
    """What a checkpoint of the suite holds of a model, and an optimiser's state beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    described = task.describe()
    contents = {
        "state_dict": task.state_dict(),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(1000)}}}],
        "hyper_parameters": described["hyper_parameters"],
        "vision": described,
        **more,
    }
    torch.save(contents, path)
    return path


def write_run(
    folder: Path,
    rows: Rows | None = None,
    *,
    starts: Rows | None = None,
    task: BaseTask | None = None,
    **settings: Any,
) -> Path:
    """A run: its metrics, its config with other `settings` at the top, its starts, its model."""
    write_metrics(folder, VALIDATED if rows is None else rows)
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **settings}))
    if starts is not None:
        (folder / "env.json").write_text(json.dumps({"starts": starts}))
    if task is not None:
        write_checkpoint(folder / "checkpoints" / "best.ckpt", task)
    return folder
