"""The table of predictions."""

import csv
from pathlib import Path

import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks import PredictionTable

NAMES = tuple("abcdefgh")


def test_the_table_holds_what_predict_returns(tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions.csv"
    task, data = tiny_task(class_names=list(NAMES)), TinyData(val=10)
    trainer = quiet_trainer(tmp_path, callbacks=[PredictionTable(path)])
    expected = [one for batch in trainer.predict(task, data) for one in batch]
    rows = list(csv.DictReader(path.open()))
    assert [row["path"] for row in rows] == [f"image_{i}.png" for i in range(10)]
    for row, prediction in zip(rows, expected, strict=True):
        assert int(row["label"]) == int(prediction["label"])
        assert row["name"] == NAMES[int(row["label"])]
        torch.testing.assert_close(
            float(row["score"]), float(prediction["scores"].max()), atol=1e-6, rtol=0
        )


def test_images_without_a_path_have_their_index(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    task, data = tiny_task(), TinyData(val=6)
    trainer = quiet_trainer(tmp_path, callbacks=[PredictionTable(path)])
    trainer.predict(task, data.val_dataloader())
    rows = list(csv.DictReader(path.open()))
    assert [row["path"] for row in rows] == list("012345")
    assert all(row["name"] == row["label"] for row in rows)


def test_a_second_prediction_replaces_the_first(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    task = tiny_task()
    trainer = quiet_trainer(tmp_path, callbacks=[PredictionTable(path)])
    trainer.predict(task, TinyData(val=10))
    trainer.predict(task, TinyData(val=4))
    assert len(list(csv.DictReader(path.open()))) == 4
