"""Dice of exported models of volumes."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from torch import Tensor

from vision.contracts.volumes import VolumeBatch
from vision.errors import DataError
from vision.export.score import Outputs, Score
from vision.ops.volume_inference import Grids, predict_volume
from vision.tasks.volumes import VolumeSegmentation


class VolumeDice(Score):
    """Mean over regions, or classes, of the mean Dice of subjects, in the cells of the files.

    Logits of whole volumes are decided as the task decides them: of a program whose windows have
    slid over the volumes it is what `vision validate` measures.

    Args:
        task: The task.
    """

    metric = "Dice"

    def __init__(self, task: VolumeSegmentation) -> None:
        super().__init__()
        self.task = task
        self.evaluator = task.make_evaluator()
        # Distances between surfaces take long, and are not asked for.
        self.evaluator.distances = False

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `logits` `(B, K, D, H, W)` of whole volumes for `mask` `(B, d, h, w)`."""
        found = []
        for i, (logits, volume) in enumerate(zip(outputs["logits"], batch["volume"], strict=True)):
            d, h, w = volume.shape[1:]
            found.append(
                predict_volume(
                    _given(logits),
                    volume,
                    Grids(
                        batch["affine"][i],
                        batch["original_affine"][i],
                        batch["original_size"][i].tolist(),
                    ),
                    # The windows have slid already: one holds the whole volume.
                    replace(self.task.inference, window=(d, h, w), mirror=()),
                    regions=self.task.regions,
                )
            )
        self.task.measure(self.evaluator, found, cast(VolumeBatch, batch))
        self.images += len(found)

    def value(self) -> float:
        """The mean.

        Raises:
            DataError: No subject has a region.
        """
        value = self.evaluator.compute(all_processes=False).scalars()[self.metric]
        if math.isnan(value):
            raise DataError(f"none of {self.images:,} volumes has a region to measure with.")
        return value


def _given(logits: Tensor) -> Any:
    return lambda windows: logits[None]


def dice(task: Any, data: Any) -> VolumeDice:
    """The metric of a model of volumes and its datamodule."""
    return VolumeDice(task)
