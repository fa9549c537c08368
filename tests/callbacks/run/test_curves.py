"""Curves are drawn from what was logged."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task
from PIL import Image

from vision.callbacks import TrainingCurves
from vision.callbacks.run.curves import read_curves
from vision.cli.metrics_log import MetricsLog


def test_columns_become_curves_without_gaps_and_torn_rows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,lr,step,train/loss\n0,0.1,9,\n0,,9,nan\n1,0.2,4,2.5\n1,0.3,4,2\n1,0.")
    curves = read_curves(path)
    assert sorted(curves) == ["lr", "train/loss"]
    np.testing.assert_array_equal(curves["lr"].steps, [4, 9])
    np.testing.assert_array_equal(curves["lr"].values, [0.3, 0.1])
    np.testing.assert_array_equal(curves["train/loss"].values, [2.0, np.nan])
    assert read_curves(tmp_path / "absent.csv") == {}


def fit(folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Train for two epochs; returns what was drawn, at which step."""
    with pytest.MonkeyPatch.context() as context:
        drawn: list[dict[str, Any]] = []
        real = __import__("vision.callbacks.run.curves", fromlist=["x"]).draw_curves

        def draw(curves: Any, **how: Any) -> Any:
            drawn.append({"curves": curves, **how})
            return real(curves, **how)

        context.setattr("vision.callbacks.run.curves.draw_curves", draw)
        trainer = quiet_trainer(
            folder,
            logger=[MetricsLog(folder)],
            log_every_n_steps=1,
            max_epochs=2,
            callbacks=[TrainingCurves(folder, title="tiny", **options)],
        )
        trainer.fit(tiny_task(), TinyData())
    return drawn


def test_the_end_shows_all_that_was_logged(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "version_0"
    (drawn,) = fit(folder)
    assert drawn["title"] == "tiny"
    assert drawn["monitor"] == ("val/top1", "max")
    assert drawn["shown"][0] == "val/top1"
    assert len(drawn["curves"]["train/loss"].steps) == 6
    assert len(drawn["curves"]["val/top1"].steps) == 2
    with Image.open(folder / "curves.png") as picture:
        assert min(picture.size) > 500


def test_validations_are_drawn_as_often_as_they_may(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "version_0"
    drawn = fit(folder, every_s=0.0)
    # The first of two validations, and the end: the second one came too soon after the picture.
    assert [len(one["curves"]["val/top1"].steps) for one in drawn] == [1, 2]


def test_what_cannot_be_written_does_not_end_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vision.callbacks.run.curves.save_png", full)
    with caplog.at_level(logging.WARNING):
        fit(tmp_path / "run" / "version_0")
    assert "No space left" in caplog.text
    assert not list(tmp_path.rglob("*.png"))
