"""The picture of a training's curves, drawn from what was logged."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from vision.decoration import Decoration
from vision.documents.csv_text import read_log
from vision.documents.numbers import whole_number
from vision.draw.curves import Curve, draw_curves
from vision.draw.epochs import epochs_of
from vision.draw.figure import save_png
from vision.draw.loss_note import loss_note
from vision.errors import ConfigError

FILE_NAME = "curves.png"
METRICS = "metrics.csv"
# Minimum ratio of the interval between pictures to the drawing time: under half a percent.
SECONDS_PER_SECOND = 300.0


class TrainingCurves(Callback):
    """Draws `curves.png` from `metrics.csv` of the same folder: after validations and at the end.

    The picture has the loss, the learning rate, the metric that the task monitors and the others
    that the progress bar shows.

    Args:
        folder: Folder of the run.
        title: Name of the run.
        every_s: Minimum seconds between two pictures, and before the first one; longer if drawing
            is slow.
    """

    def __init__(self, folder: Path | str, *, title: str, every_s: float = 120.0) -> None:
        self.folder = Path(folder)
        self.title = title
        self.every_s = every_s
        self._guard = Decoration(f"the picture {self.folder / FILE_NAME}")
        self._wait_s = every_s
        self._drawn_s = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._drawn_s = time.perf_counter()
        self._wait_s = self.every_s

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw, if the last picture is old enough."""
        due = time.perf_counter() - self._drawn_s >= self._wait_s
        fits = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if due and fits:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the whole training."""
        self._draw(trainer, pl_module)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Draw the curves up to the exception."""
        if trainer.state.fn == TrainerFn.FITTING:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: Trainer, module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        start_s = time.perf_counter()
        monitor = getattr(module, "monitor", None)
        named = sorted(name for name in trainer.progress_bar_metrics if name.startswith("val/"))
        shown = [monitor[0], *named] if monitor else named
        with self._guard:
            for log in trainer.loggers:
                log.save()
            rows = _rows(self.folder / METRICS)
            with suppress(ConfigError):  # nothing was logged yet
                figure = draw_curves(
                    _curves(rows),
                    title=self.title,
                    shown=shown,
                    monitor=monitor,
                    epochs=epochs_of(rows),
                    loss_note=loss_note(module.hparams),
                )
                save_png(figure, self.folder / FILE_NAME)
        self._drawn_s = time.perf_counter()
        self._wait_s = max(self.every_s, SECONDS_PER_SECOND * (self._drawn_s - start_s))


def read_curves(path: Path) -> dict[str, Curve]:
    """Read the metrics of a run, with the steps at which each was logged.

    Args:
        path: A `metrics.csv`; an absent file gives no curves. Incomplete rows are skipped.

    Returns:
        Curve by the name of its column; if a step was logged twice, the last value counts.
    """
    return _curves(_rows(path))


def _rows(path: Path) -> list[dict[str, str]]:
    return read_log(path, what="log of metrics") if path.is_file() else []


def _curves(rows: Iterable[Mapping[str, str]]) -> dict[str, Curve]:
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        if (step := whole_number(row.get("step", ""))) is None:
            continue
        for name, text in row.items():
            if name and text and name not in ("step", "epoch"):
                with suppress(ValueError):
                    found.setdefault(name, {})[step] = float(text)
    curves = {}
    for name, values in found.items():
        order = sorted(values)
        curves[name] = Curve(np.array(order), np.array([values[step] for step in order]))
    return curves
