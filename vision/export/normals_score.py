"""Mean angle of exported models of surface normals."""

from collections.abc import Mapping
from typing import Any

from torch.nn import functional as F

from vision.export.score import Outputs, Score
from vision.metrics.normals import NormalsEvaluator
from vision.metrics.normals_maps import angles_of_maps
from vision.ops.interpolation import resize_bilinear


class MeanAngle(Score):
    """Mean angle to the true normals in degrees, over all pixels of the files that have one.

    Predictions are resized bilinearly to the file's size and divided by their lengths.
    """

    metric = "mean"
    better = "lower"
    unit = "degrees"
    max_drop = 0.5

    def __init__(self) -> None:
        super().__init__()
        self.evaluator = NormalsEvaluator()

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `normals` `(B, 3, H, W)` for `normals` `(B, 3, h, w)`."""
        for i, normals in enumerate(outputs["normals"]):
            height, width = batch["original_size"][i].tolist()
            found = F.normalize(resize_bilinear(normals[None].float(), (height, width)), dim=1)[0]
            truth = batch["normals"][i, :, :height, :width]
            self.evaluator.update(angles_of_maps(found, truth, where=batch["path"][i]))
        self.images += len(outputs["normals"])

    def value(self) -> float:
        """The mean."""
        return self.evaluator.compute().mean


def mean_angle(task: Any, data: Any) -> MeanAngle:
    """The metric of a model of normals and its datamodule."""
    return MeanAngle()
