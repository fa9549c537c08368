"""One line of progress: a live bar on a terminal, plain lines in a file or a pipe."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column
from torch import Tensor

from vision.callbacks.run.best_checkpoint import is_measured
from vision.decoration import decorative
from vision.line_width import break_parts, line_width
from vision.wording import speed

GIB = 2**30
# Minimum interval between updates: reading the loss synchronises with the device.
REFRESH_S = 0.25
# Columns of the bar for the number of batches, and between columns.
COUNT_WIDTH = 7
COLUMN_GAPS = 3
# What a batch may hold by its key, and how it is counted: by the first of these keys.
UNITS = {
    "image": "images",
    "volume": "volumes",
    "lidar_to_camera": "sweeps",
    "counts": "clouds",
}
# What a narrow terminal leaves out, in this order.
LEAST_IMPORTANT = ("data ", "mem ", "lr ")


class LenientConsole(Console):
    """A console that goes silent when its reader closes the pipe (`| head`)."""

    def on_broken_pipe(self) -> None:
        """Continue without output: rich would end the process."""
        self.quiet = True


@decorative("the line of progress")
class Progress(ProgressBar):
    """Shows epoch, loss, learning rate, images per second, memory and the time left.

    "data" is the share of the epoch's time spent waiting for batches. After
    each epoch one line with its metrics stays on the screen; a `*` marks the best so far.

    Args:
        plain_every_s: Without a terminal, seconds between two lines within an epoch.
        console: Where to write; None is the standard output.
    """

    def __init__(self, *, plain_every_s: float = 30.0, console: Console | None = None) -> None:
        super().__init__()
        self.plain_every_s = plain_every_s
        self.console = console or LenientConsole(highlight=False, soft_wrap=True)
        self._enabled = True
        self._bar: Bar | None = None
        self._what: str | None = None
        self._validated = False
        self._start_s = self._shown_s = 0.0
        self._start_step = 0
        self._inputs, self._unit = 0, ""
        # In this epoch: end of the last step, total time waited and trained.
        self._step_end_s = self._waited_s = self._trained_s = 0.0

    def disable(self) -> None:
        """Show nothing, as on all processes but the first."""
        self._enabled = False

    def enable(self) -> None:
        """Show progress again."""
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._start_s = time.perf_counter()
        self._start_step = trainer.global_step
        # A fit that is resumed within an epoch does not start one.
        self._start_epoch(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the bar of an epoch."""
        self._start_epoch(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Record how long the step has waited for its batch."""
        self._waited_s += time.perf_counter() - self._step_end_s

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance the bar."""
        now = time.perf_counter()
        self._trained_s += now - self._step_end_s
        self._step_end_s = now
        count, self._unit = _count_inputs(batch)
        self._inputs += count * trainer.world_size
        if self._due():
            stats = self._stats(trainer, _loss(outputs))
            self._show(_epoch(trainer), batch_idx + 1, self.total_train_batches, stats)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave one line with the metrics of the epoch."""
        metrics = trainer.callback_metrics
        parts = [_epoch(trainer), *self._stats(trainer, metrics.get("train/loss"))]
        if self._validated:
            parts += [
                f"{name} {float(value):.4f}{_best_mark(trainer, name)}"
                for name, value in sorted(metrics.items())
                if name.startswith("val/") and name in trainer.progress_bar_metrics
            ]
        self._close()
        self._line(*parts)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        self._close()

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Advance the bar."""
        self.has_dataloader_changed(dataloader_idx)
        what = "checking" if trainer.sanity_checking else "validating"
        self._evaluated(what, batch_idx, self.total_val_batches_current_dataloader)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mark the metrics as new."""
        self._step_end_s = time.perf_counter()  # the step to come has not waited for this
        self._validated = not trainer.sanity_checking
        self.reset_dataloader_idx_tracker()
        if not trainer.training:
            self._close()

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Advance the bar."""
        self.has_dataloader_changed(dataloader_idx)
        self._evaluated("testing", batch_idx, self.total_test_batches_current_dataloader)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        self.reset_dataloader_idx_tracker()
        self._close()

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Advance the bar."""
        self.has_dataloader_changed(dataloader_idx)
        self._evaluated("predicting", batch_idx, self.total_predict_batches_current_dataloader)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the bar."""
        self.reset_dataloader_idx_tracker()
        self._close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Restore the terminal."""
        self._close()

    def _start_epoch(self, trainer: Trainer) -> None:
        self._step_end_s = time.perf_counter()
        self._waited_s = self._trained_s = 0.0
        self._inputs = 0
        self._validated = False
        self._open(_epoch(trainer), self.total_train_batches)

    def _stats(self, trainer: Trainer, loss: Tensor | float | None) -> list[str]:
        now = time.perf_counter()
        parts = [] if loss is None else [f"loss {float(loss):.4f}"]
        if trainer.optimizers:
            parts.append(f"lr {trainer.optimizers[0].param_groups[-1]['lr']:.1e}")
        if self._inputs:
            parts.append(speed(self._inputs, self._trained_s, self._unit))
            parts.append(f"data {self._waited_s / self._trained_s:.0%}")
        parts.append(_memory(trainer.strategy.root_device))
        done = trainer.global_step - self._start_step
        total = float(trainer.estimated_stepping_batches) - self._start_step
        if 0 < done <= total < float("inf"):
            parts.append(f"left {_clock((now - self._start_s) * (total / done - 1))}")
        return [part for part in parts if part]

    def _evaluated(self, what: str, batch_idx: int, total: float) -> None:
        if self._what is None:
            self._open(what, total)
        if self._due():
            self._show(what, batch_idx + 1, total, ())

    def _due(self) -> bool:
        interval = REFRESH_S if self.console.is_terminal else self.plain_every_s
        return self._enabled and time.perf_counter() - self._shown_s >= interval

    def _open(self, what: str, total: float) -> None:
        self._close()
        self._what = what
        self._shown_s = time.perf_counter()
        if not (self._enabled and self.console.is_terminal):
            return
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=self._bar_width),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=COUNT_WIDTH)),
            TextColumn("{task.fields[stats]}", table_column=Column(no_wrap=True)),
            console=self.console,
            transient=True,
        )
        self._bar.add_task(what, total=_known_total(total), stats="")
        self._bar.start()

    @property
    def _bar_width(self) -> int:
        return 24 if self.console.width >= 110 else 6

    def _show(self, what: str, done: int, total: float, stats: Sequence[str]) -> None:
        self._shown_s = time.perf_counter()
        if self._bar is not None:
            task = self._bar.task_ids[0]
            count = max(COUNT_WIDTH, 2 * len(f"{total:.0f}") + 1)
            room = self.console.width - len(what) - self._bar_width - count - COLUMN_GAPS
            self._bar.update(
                task,
                description=what,
                completed=done,
                total=_known_total(total),
                stats="  ".join(_fitted(stats, room)),
            )
        else:
            of = "" if _known_total(total) is None else f"/{total:.0f}"
            self._line(what, f"{done}{of}", *stats)

    def _line(self, *parts: str) -> None:
        if self._enabled:
            width = self.console.width if self.console.is_terminal else line_width()
            self.console.print("\n".join(break_parts(parts, width)), markup=False)
            self._shown_s = time.perf_counter()

    def _close(self) -> None:
        self._what = None
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _epoch(trainer: Trainer) -> str:
    last = trainer.max_epochs
    if last is None or last < 0:
        return f"epoch {trainer.current_epoch + 1}"
    return f"epoch {trainer.current_epoch + 1:>{len(str(last))}}/{last}"


def _fitted(stats: Sequence[str], room: int) -> list[str]:
    """The numbers that fit into a room, in columns; the least important are left out first."""
    kept = list(stats)
    for name in LEAST_IMPORTANT:
        if len("  ".join(kept)) <= room:
            break
        kept = [part for part in kept if not part.startswith(name)]
    return kept


def _known_total(total: float) -> float | None:
    return None if total == float("inf") else total


def _loss(outputs: Any) -> Tensor | None:
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    return loss if isinstance(loss, Tensor) else None


def _count_inputs(batch: Any) -> tuple[int, str]:
    """How many images, volumes or clouds a batch has, and which; none if it is not known."""
    for key, unit in UNITS.items():
        values = batch.get(key) if isinstance(batch, Mapping) else None
        if isinstance(values, Tensor):
            return len(values), unit
    return 0, ""


def _best_mark(trainer: Trainer, name: str) -> str:
    """`"*"` if this metric chooses the checkpoint and is better than in all earlier epochs."""
    keeper: Any = trainer.checkpoint_callback
    if getattr(keeper, "monitor", None) != name:
        return ""
    value, best = float(trainer.callback_metrics[name]), keeper.best_model_score
    if not is_measured(value):
        return ""
    # The checkpoint of this epoch is written after this line.
    if best is None or (value > float(best) if keeper.mode == "max" else value < float(best)):
        return "*"
    return ""


def _memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"mem {torch.cuda.max_memory_allocated(device) / GIB:.1f} GiB"
    try:
        import resource  # not on Windows
    except ImportError:
        return ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"mem {peak * (1 if sys.platform == 'darwin' else 1024) / GIB:.1f} GiB"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
