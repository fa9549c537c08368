"""A validation of tumours that are found one cell aside, with all that is written of it."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from helpers.tiny_task import quiet_trainer
from helpers.tiny_volume_task import BACKBONE, NAMES, REGIONS
from helpers.tiny_volumes import write_brats

from vision.callbacks.results.evaluation_records import EvaluationRecords, Record
from vision.callbacks.results.volumes_pictures import VolumePictures
from vision.contracts.volumes import VolumeBatch, VolumePrediction
from vision.data.datasets.brats import BraTS
from vision.ops.volume_regions import region_masks
from vision.report.parts import EvaluatedData
from vision.tasks.volumes import VolumeSegmentation

SUBJECTS = 4  # that validate, of 8
SHIFT = 2


class ShiftedVolumes(VolumeSegmentation):
    """Finds the truth, two cells aside; the third subject's tumour core is missed."""

    kind = "volumes"

    def run(self, batch: VolumeBatch, *, probabilities: bool = False) -> list[VolumePrediction]:
        """The labels of the batch, moved along the first axis."""
        found: list[VolumePrediction] = []
        for mask, size, place in zip(
            batch["mask"], batch["original_size"].tolist(), batch["index"].tolist(), strict=True
        ):
            own = mask[: size[0], : size[1], : size[2]].roll(SHIFT, 0)
            if place == 2:
                own = torch.where(own > 0, 2, 0).to(torch.uint8)
            one: VolumePrediction = {"mask": own}
            if self.regions is not None:
                one["regions"] = region_masks(own, self.regions)
            found.append(one)
        return found


def shifted_volumes(**more: Any) -> ShiftedVolumes:
    """The task; its network is never run."""
    settings: dict[str, Any] = {
        "backbone": "swin_volume",
        "num_classes": 4,
        "regions": REGIONS,
        "class_names": NAMES,
        "modalities": ["flair", "t1ce", "t1", "t2"],
        "backbone_options": {**BACKBONE, "in_channels": 4},
        "label_values": [0, 1, 2, 4],
    }
    return ShiftedVolumes(**{**settings, **more})


class VolumesWorld(NamedTuple):
    """A dataset, and a validation on it.

    Attributes:
        results: Folder of the results.
        task: What was evaluated.
        record: The record of the evaluation.
        source: Where its volumes come from.
    """

    results: Path
    task: ShiftedVolumes
    record: Record
    source: EvaluatedData


def evaluate_shifted(folder: Path, *, targets: Any = "regions", **options: Any) -> VolumesWorld:
    """Write a dataset and evaluate on it."""
    root = write_brats(folder / "data", subjects=2 * SUBJECTS)
    data = BraTS(root=root, targets=targets, folds=2, num_workers=0)
    task = shifted_volumes(**options)
    results, records = folder / "validation", EvaluationRecords()
    trainer = quiet_trainer(folder, callbacks=[VolumePictures(results, examples=1), records])
    trainer.validate(task, data, verbose=False)
    assert records.record is not None, "the first process has the record"
    return VolumesWorld(results, task, records.record, EvaluatedData(data.val_dataset, data))
