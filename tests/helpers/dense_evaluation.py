"""A validation of a small model of depth or of normals, with callbacks, for the tests of these."""

from pathlib import Path
from typing import Any

from helpers.tiny_dense import tiny_dense
from helpers.tiny_depth import write_depth_folder
from helpers.tiny_task import quiet_trainer
from lightning.pytorch import Callback

from vision.callbacks.results.evaluation_records import EvaluationRecords, Record
from vision.data.datasets.depth_folder import DepthFolder
from vision.data.datasets.normals_folder import NormalsFolder
from vision.report.parts import EvaluatedData

SIZE = (40, 60)


def dense_data(root: Path, key: str) -> Any:
    """A dataset with two images to evaluate, of 40 x 60 pixels; it is written if it is absent."""
    if not root.is_dir():
        write_depth_folder(root, size=SIZE)
    if key == "depth":
        return DepthFolder(root=root, scale=1000, batch_size=2, num_workers=0)
    return NormalsFolder(root=root, batch_size=2, num_workers=0)


def dense_case(
    folder: Path, key: str, *callbacks: Callback, **options: Any
) -> tuple[Record, EvaluatedData]:
    """Validate a model with the same weights every time; returns the record for a report.

    Args:
        folder: Where the dataset is written.
        key: "depth" or "normals".
        callbacks: Further callbacks.
        options: Of the model.
    """
    data, records = dense_data(folder / "data", key), EvaluationRecords()
    trainer = quiet_trainer(folder, callbacks=[records, *callbacks])
    trainer.validate(tiny_dense(key, **options), data, verbose=False)
    assert records.record is not None
    return records.record, EvaluatedData(data.val_dataset, data)
