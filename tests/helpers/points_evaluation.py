"""A validation of rooms whose classes are found in part, with all that is written of it."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from helpers.tiny_point_task import OPTIONS
from helpers.tiny_points import write_point_folder
from helpers.tiny_task import quiet_trainer

from vision.callbacks.results.evaluation_records import EvaluationRecords, Record
from vision.callbacks.results.points_pictures import PointPictures
from vision.contracts.points import PointBatch, PointPrediction
from vision.data.datasets.point_folder import PointFolder
from vision.report.parts import EvaluatedData
from vision.tasks.points import PointSegmentation

ROOMS = 4
NAMES = ["ceiling", "floor", "wall", "chair"]


class WrongPoints(PointSegmentation):
    """Finds the truth, but chairs are walls in every room, and all of the third room is floor."""

    kind = "points"

    def run(self, batch: PointBatch) -> list[PointPrediction]:
        """The labels of the batch, changed."""
        found: list[PointPrediction] = []
        labels = batch["label"].split(batch["point_counts"].tolist())
        for label, place in zip(labels, batch["index"].tolist(), strict=True):
            own = torch.where(label == 3, 2, label)
            own = torch.ones_like(own) if place == 2 else own
            found.append({"label": own, "scores": torch.ones(len(own))})
        return found


class PointsWorld(NamedTuple):
    """A dataset, and a validation on it.

    Attributes:
        results: Folder of the results.
        task: What was evaluated.
        record: The record of the evaluation.
        source: Where its rooms come from.
    """

    results: Path
    task: WrongPoints
    record: Record
    source: EvaluatedData


def evaluate_wrong(folder: Path, **options: Any) -> PointsWorld:
    """Write a dataset and evaluate on it."""
    root = write_point_folder(folder / "data", train=1, val=ROOMS)
    data = PointFolder(root=root, classes=NAMES, voxel_size=0.1, num_workers=0)
    task = WrongPoints("swin3d", 4, backbone_options=OPTIONS, **options)
    results, records = folder / "validation", EvaluationRecords()
    trainer = quiet_trainer(folder, callbacks=[PointPictures(results, examples=1), records])
    trainer.validate(task, data, verbose=False)
    assert records.record is not None, "the first process has the record"
    return PointsWorld(results, task, records.record, EvaluatedData(data.val_dataset, data))
