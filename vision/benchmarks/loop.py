"""A training step through the trainer, as `vision fit` runs it, against that of a bare loop.

The trainer's side is `vision fit` with all its defaults: progress, logs, checkpoints, the check
of every gradient. The bare loop has its own model, optimiser, schedule and loader, built from the
same config, and does only the necessary: fetch a batch, normalise and augment it, forward, loss,
backward, optimiser and schedule. Both take turns within one process, in blocks of some steps;
blocks lie within an epoch.
"""

import contextlib
import io
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from vision.benchmarks.measurement import Measurement
from vision.benchmarks.results import Table
from vision.benchmarks.timing import Times


class BareLoop:
    """A training without a trainer.

    Args:
        trainer: A trainer whose task and data are built again.
        task: Its task.
    """

    def __init__(self, trainer: Trainer, task: Any) -> None:
        self.device = task.device
        self.task = type(task)(**task.hparams).to(self.device).train()
        self.task.load_state_dict(task.state_dict())
        self.context = trainer.precision_plugin.train_step_context
        # Both read only the length of the training from the trainer.
        self.task.trainer = trainer
        made: Any = self.task.configure_optimizers()
        self.optimizer, self.schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
        self.task.trainer = None
        self.batches = self._endless(trainer.datamodule.train_dataloader())  # type: ignore[attr-defined]

    def _endless(self, loader: Any) -> Iterator[dict[str, Any]]:
        epoch = 0
        while True:
            loader.sampler.set_epoch(epoch)
            yield from loader
            epoch += 1

    def step(self) -> None:
        """One optimiser step."""
        batch = {
            key: value.to(self.device, non_blocking=True) if hasattr(value, "to") else value
            for key, value in next(self.batches).items()
        }
        batch = self.task.augment({**batch, "image": self.task.normalize(batch["image"])})
        with self.context():
            loss = sum(self.task.criterion(self.task.run(batch), batch).values())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.schedule.step()


class Blocks(Callback):
    """Lets the trainer and a bare loop take turns, and times both.

    Args:
        rounds: Number of blocks of each side that count; the first pair does not.
        steps: Optimiser steps of a block.

    Attributes:
        times: Seconds per step of the trainer's blocks and of the bare loop's, by the clock and of
            this process's CPU time: `(2,)` each.
    """

    def __init__(self, *, rounds: int, steps: int) -> None:
        self.rounds, self.steps = rounds, steps
        self.times: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        self._begin, self._count = np.zeros(2), 0
        self._bare: BareLoop | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Build the other side."""
        self._bare = BareLoop(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop a block that the end of an epoch has cut."""
        self._count = -1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Take turns."""
        self._count += 1
        if 0 < self._count < self.steps:
            return
        now = self._now(pl_module)
        if self._count == self.steps and self._bare is not None:
            self.times[0].append((now - self._begin) / self.steps)
            self.times[1].append(self._time(self._bare.step, pl_module))
            if len(self.times[0]) > self.rounds:
                trainer.should_stop = True
        self._begin, self._count = self._now(pl_module), 0

    def _time(self, step: Callable[[], None], module: LightningModule) -> np.ndarray:
        begin = self._now(module)
        for _ in range(self.steps):
            step()
        return (self._now(module) - begin) / self.steps

    def _now(self, module: LightningModule) -> np.ndarray:
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        return np.array([time.perf_counter(), time.process_time()])


def measure_loop(
    fit: Callable[[Sequence[str], Blocks], Any],
    *,
    config: Path,
    rounds: int,
    steps: int,
    options: Sequence[str],
) -> Table:
    """Compare the two sides; the trainer's is ours.

    Args:
        fit: Runs `vision fit` with command-line arguments and one more callback.
        config: Its config.
        rounds: Pairs of blocks.
        steps: Optimiser steps of a block.
        options: Further arguments.
    """
    measured = Measurement("A step of `vision fit` beside a bare loop's")
    blocks = Blocks(rounds=rounds, steps=steps)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        words = ["--config", str(config), "--runs_dir", folder, *options]
        # Validation is no part of a step; the blocks end the training.
        words += ["--trainer.limit_val_batches", "0", "--trainer.max_epochs", "100000"]
        fit(words, blocks)
    # The first block of each side warms up.
    sides = [Times(*map(list, zip(*times[1:], strict=True))) for times in blocks.times]
    label = f"{config.stem}, {steps} steps a block"
    measured.add_times(label, sides, peer="bare loop", of="step")
    return measured.table()
