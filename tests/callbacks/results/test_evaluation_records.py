from pathlib import Path

import pytest
import torch
from helpers.tiny_task import TinyData, quiet_trainer, tiny_task

from vision.callbacks.results.evaluation_records import EvaluationRecords
from vision.errors import ConfigError


class Data(TinyData):
    """With a size of batches, as the suite's datamodules have."""

    batch_size = 4


@pytest.mark.parametrize(("limit", "images"), [(None, 10), (5, 8), (1, 4)])
def test_a_record_has_what_was_logged_and_ends_at_the_limit(
    tmp_path: Path, limit: int | None, images: int
) -> None:
    records, task = EvaluationRecords(limit=limit), tiny_task()
    trainer = quiet_trainer(tmp_path, callbacks=[records])
    (logged,) = trainer.validate(task, datamodule=Data(), verbose=False)
    record = records.record
    assert record is not None
    assert record.metrics == pytest.approx(logged)
    assert (record.kind, record.stage, record.images) == ("classification", "val", images)
    assert record.class_names == tuple(map(str, range(8)))
    assert record.seconds > 0
    assert len(record.body.place) == images


def test_a_test_is_recorded_too(tmp_path: Path) -> None:
    records, task = EvaluationRecords(), tiny_task()
    trainer = quiet_trainer(tmp_path, callbacks=[records])
    trainer.test(task, datamodule=Data(), verbose=False)
    assert records.record is not None
    assert records.record.stage == "test"


def test_an_error_leaves_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, task = EvaluationRecords(), tiny_task()

    def fail(*arguments: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(task, "evaluate", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        quiet_trainer(tmp_path, callbacks=[records]).validate(task, datamodule=Data())
    assert records.record is None


def test_the_limit_is_a_number_of_images() -> None:
    with pytest.raises(ConfigError, match="limit=0"):
        EvaluationRecords(limit=0)


def test_it_changes_no_number(tmp_path: Path) -> None:
    task = tiny_task()
    with_it = quiet_trainer(tmp_path, callbacks=[EvaluationRecords()])
    logged = [
        trainer.validate(task, datamodule=Data(), verbose=False)[0]
        for trainer in (with_it, quiet_trainer(tmp_path))
    ]
    assert logged[0] == logged[1]
    assert not torch.is_inference_mode_enabled()
