"""The list of folds in the folder of a run."""

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks.run.folds import FoldList


class Divided(TinyData):
    """Data that are divided as a table says."""

    table: dict[str, Any] | None = None

    def fold_table(self) -> dict[str, Any] | None:
        return self.table


def fit(folder: Path, data: TinyData) -> None:
    trainer = quiet_trainer(folder, callbacks=[FoldList(folder)])
    trainer.fit_loop.max_epochs = 1
    trainer.fit(tiny_task(), data)


def test_a_run_writes_the_folds_of_its_data(tmp_path: Path) -> None:
    data = Divided(train=4, val=4)
    fit(tmp_path, data)
    fit(tmp_path, TinyData(train=4, val=4))
    assert not (tmp_path / "folds.json").exists()
    data.table = {"training": [{"fold": 1, "subject": "a", "image": "a.nii"}]}
    fit(tmp_path, data)
    assert json.loads((tmp_path / "folds.json").read_text()) == data.table


def test_a_list_that_cannot_be_made_does_not_end_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Divided):
        def fold_table(self) -> dict[str, Any] | None:
            raise OSError("no list")

    fit(tmp_path, Broken(train=4, val=4))
    assert "folds.json: left out" in caplog.text
