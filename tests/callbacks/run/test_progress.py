"""Progress: plain lines in a file, a bar on a terminal."""

import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_task import RandomImages, TinyData, quiet_trainer, tiny_task
from lightning.pytorch import Callback
from rich.console import Console
from torch.utils.data import DataLoader

from vision.callbacks import Progress
from vision.callbacks.run.progress import _count_inputs, _fitted

SPEED = r"lr \d\.\de-\d\d  \d+(\.\d)? images/s  data \d+%  (mem \d+\.\d GiB  )?left \d+:\d\d"


def fit(folder: Path, progress: Progress, **options: Any) -> None:
    trainer = quiet_trainer(folder, callbacks=[progress], enable_progress_bar=True, **options)
    trainer.fit(tiny_task(), TinyData())


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=200, highlight=False), text


def test_without_a_terminal_each_epoch_is_one_plain_line(tmp_path: Path) -> None:
    plain, text = console(terminal=False)
    fit(tmp_path, Progress(console=plain), max_epochs=2)
    lines = text.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in text.getvalue()
    for number, line in enumerate(lines, start=1):
        assert line.startswith(f"epoch {number}/2  loss ")
        assert re.search(SPEED, line)
        assert re.search(r"val/top1 \d\.\d{4}", line)


def test_long_epochs_show_steps_without_a_terminal(tmp_path: Path) -> None:
    plain, text = console(terminal=False)
    fit(tmp_path, Progress(console=plain, plain_every_s=0.0), max_epochs=1)
    steps = re.findall(r"epoch 1/1  (\d+)/3  loss", text.getvalue())
    assert steps == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("keys", "unit"),
    [
        (("image", "camera"), "images"),
        (("volume",), "volumes"),
        (("coords", "counts"), "clouds"),
        (("points", "counts", "lidar_to_camera", "camera"), "sweeps"),
        (("label",), ""),
    ],
)
def test_batches_are_counted_by_what_they_hold(keys: tuple[str, ...], unit: str) -> None:
    batch = {key: torch.zeros(3, 1) for key in keys}
    assert _count_inputs(batch) == (3 if unit else 0, unit)


class SlowData(TinyData):
    def train_dataloader(self) -> DataLoader:
        time.sleep(0.2)  # no step waits for this
        return DataLoader(SlowImages(12), batch_size=4)


class SlowImages(RandomImages):
    def __getitem__(self, index: int) -> dict[str, Any]:
        time.sleep(0.05)
        return super().__getitem__(index)


class SlowSteps(Callback):
    def on_before_backward(self, *_: Any) -> None:
        time.sleep(0.1)

    def on_validation_start(self, *_: Any) -> None:
        time.sleep(1.0)  # neither a step nor a wait


def test_the_share_of_waiting_for_data(tmp_path: Path) -> None:
    plain, text = console(terminal=False)
    callbacks = [Progress(console=plain), SlowSteps()]
    trainer = quiet_trainer(tmp_path, callbacks=callbacks, enable_progress_bar=True, max_epochs=1)
    trainer.fit(tiny_task(), SlowData())
    # A batch takes 0.2 s to read and at least 0.1 s to train on.
    match = re.search(r"(\d+(?:\.\d)?) images/s  data (\d+)%", text.getvalue())
    assert match is not None
    assert 20 < int(match[2]) < 70
    assert 3 < float(match[1]) < 14  # 12 images in about a second, validation not counted


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    terminal, text = console(terminal=True)
    fit(tmp_path, Progress(console=terminal), max_epochs=1)
    shown = text.getvalue()
    assert "━" in shown
    assert re.search(r"epoch 1/1  loss .* val/top1", shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0  # the cursor is back


def test_the_best_epoch_is_marked(tmp_path: Path) -> None:
    from lightning.pytorch.callbacks import ModelCheckpoint

    plain, text = console(terminal=False)
    keeper = ModelCheckpoint(dirpath=tmp_path, monitor="val/loss", mode="min")
    trainer = quiet_trainer(
        tmp_path,
        callbacks=[Progress(console=plain), keeper],
        enable_progress_bar=True,
        enable_checkpointing=True,
        max_epochs=4,
    )
    trainer.fit(tiny_task(lr=1e-2), TinyData())
    losses, marks = [], []
    for line in text.getvalue().splitlines():
        match = re.search(r"val/loss ([\d.]+)(\*?)", line)
        assert match is not None
        losses.append(float(match[1]))
        marks.append(match[2] == "*")
    assert marks == [i == 0 or loss < min(losses[:i]) for i, loss in enumerate(losses)]


def test_evaluation_and_prediction_have_a_bar_too(tmp_path: Path) -> None:
    terminal, text = console(terminal=True)
    trainer = quiet_trainer(
        tmp_path, callbacks=[Progress(console=terminal)], enable_progress_bar=True
    )
    task, data = tiny_task(), TinyData()
    trainer.validate(task, data, verbose=False)
    trainer.test(task, data, verbose=False)
    trainer.predict(task, data)
    for word in ("validating", "testing", "predicting"):
        assert word in text.getvalue()


def test_other_processes_show_nothing(tmp_path: Path) -> None:
    plain, text = console(terminal=False)
    progress = Progress(console=plain)
    progress.disable()
    fit(tmp_path, progress, max_epochs=1)
    assert text.getvalue() == ""


@pytest.mark.parametrize("width", [80, 100, 120])
def test_lines_fit_the_terminal(tmp_path: Path, width: int) -> None:
    text = io.StringIO()
    terminal = Console(file=text, force_terminal=True, width=width, highlight=False)
    fit(tmp_path, Progress(console=terminal), max_epochs=1)
    shown = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "\r", text.getvalue())
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", shown)]
    assert max(map(len, lines)) <= width
    parts = " ".join(line.strip() for line in lines[-6:])
    for part in ("loss ", "images/s", "val/loss ", "val/top1 "):
        assert part in parts


def test_a_narrow_bar_leaves_out_what_matters_least() -> None:
    stats = ["loss 0.1", "lr 1.0e-03", "20 images/s", "data 3%", "mem 1.0 GiB", "left 0:10"]
    assert _fitted(stats, 100) == stats
    assert _fitted(stats, 50) == ["loss 0.1", "lr 1.0e-03", "20 images/s", "left 0:10"]
    assert _fitted(stats, 10) == ["loss 0.1", "20 images/s", "left 0:10"]
