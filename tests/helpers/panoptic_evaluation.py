"""A validation of segments that are shifted by two pixels, with all that is written of it."""

from pathlib import Path
from typing import NamedTuple

from helpers.tiny_panoptic import ShiftedPanoptic, shifted_panoptic
from helpers.tiny_segments import write_panoptic
from helpers.tiny_task import quiet_trainer

from vision.callbacks.results.evaluation_records import EvaluationRecords, Record
from vision.callbacks.results.panoptic_pictures import PanopticPictures
from vision.callbacks.results.panoptic_results import PanopticResults
from vision.data.datasets.coco_panoptic import COCOPanoptic
from vision.report.parts import EvaluatedData

IMAGES = 5
# Ids of the images.
NUMBERS = [100 + 7 * place + 3 for place in range(IMAGES)]


class PanopticWorld(NamedTuple):
    """A dataset, and a validation on it.

    Attributes:
        root: Folder of the dataset.
        results: Folder of the results.
        task: What was evaluated.
        record: The record of the evaluation.
        source: Where its images come from.
    """

    root: Path
    results: Path
    task: ShiftedPanoptic
    record: Record
    source: EvaluatedData


def data_of(root: Path, *, canvas: tuple[int, int] | None = (64, 64)) -> COCOPanoptic:
    """The datamodule of the dataset."""
    return COCOPanoptic(root=root, long_side=56, canvas=canvas, batch_size=2, num_workers=0)


def evaluate_shifted(folder: Path, *, files: bool = True) -> PanopticWorld:
    """Write a dataset and evaluate on it; without files there is the record alone."""
    root = write_panoptic(folder / "data", counts={"train": 1, "val": IMAGES})
    results, data, task = folder / "validation", data_of(root), shifted_panoptic()
    records = EvaluationRecords()
    written = [PanopticResults(results, overlays=2), PanopticPictures(results, examples=1)]
    trainer = quiet_trainer(folder, callbacks=[*(written if files else []), records])
    trainer.validate(task, data, verbose=False)
    assert records.record is not None, "the first process has the record"
    source = EvaluatedData(data.val_dataset, data)
    return PanopticWorld(root, results, task, records.record, source)
