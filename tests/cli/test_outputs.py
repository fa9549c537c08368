"""What is printed before files are overwritten, and which callbacks record a run."""

from pathlib import Path

import pytest
from helpers.tiny_segmentation import tiny_segmentor
from helpers.tiny_task import tiny_task

from vision.callbacks import Environment, TrainBatches, TrainingCurves
from vision.callbacks.run.folds import FoldList
from vision.cli.outputs import (
    predictions_path,
    record_run,
    tell_of_results,
    write_predictions,
)
from vision.tasks import Classification


def test_every_run_is_recorded_in_its_folder(tmp_path: Path) -> None:
    callbacks = record_run(tmp_path, title="t", command=["vision", "fit"])
    expected = [Environment, FoldList, TrainBatches, TrainingCurves]
    assert [type(one) for one in callbacks] == expected
    assert callbacks[0].command == ["vision", "fit"]
    assert not list(tmp_path.iterdir())


def test_results_that_are_replaced_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tiny_segmentor()
    (tmp_path / "validation").mkdir()
    tell_of_results(task, tmp_path)
    assert capsys.readouterr().out == ""
    (tmp_path / "validation/metrics.json").touch()
    tell_of_results(task, tmp_path)
    assert f"{tmp_path / 'validation'} was there before" in capsys.readouterr().out
    tell_of_results(tiny_task(), tmp_path)  # which writes nothing there
    assert capsys.readouterr().out == ""


def test_predictions_that_are_replaced_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = predictions_path(Classification, tmp_path, None)
    write_predictions(tiny_task(), path)
    assert capsys.readouterr().out == ""
    (tmp_path / "predictions.csv").touch()
    write_predictions(tiny_task(), path)
    assert f"{tmp_path / 'predictions.csv'} was there before" in capsys.readouterr().out
    write_predictions(tiny_task(), tmp_path / "other.csv")
    assert capsys.readouterr().out == ""
