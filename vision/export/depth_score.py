"""Root mean squared error of exported depth estimators."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vision.errors import DataError
from vision.export.score import Outputs, Score
from vision.metrics.depth import measure_depth
from vision.metrics.depth_protocol import DepthProtocol
from vision.ops.interpolation import resize_bilinear


class DepthRmse(Score):
    """Mean over images of the root mean squared error in metres, in the pixels of the files.

    Predictions are resized bilinearly to the file's size. Images without a valid pixel are left
    out.

    Args:
        protocol: What counts.
    """

    metric = "rmse"
    better = "lower"
    unit = "m"

    def __init__(self, protocol: DepthProtocol) -> None:
        super().__init__()
        self.protocol = protocol
        self.errors: list[float] = []

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `depth` `(B, H, W)` for `depth` `(B, h, w)`."""
        for i, depth in enumerate(outputs["depth"]):
            height, width = batch["original_size"][i].tolist()
            found = resize_bilinear(depth[None, None].float(), (height, width))[0, 0]
            truth = batch["depth"][i, :height, :width]
            errors = measure_depth(found.cpu().numpy(), truth.cpu().numpy(), self.protocol)
            if errors is not None:
                self.errors.append(errors.values["rmse"])
        self.images += len(outputs["depth"])

    def value(self) -> float:
        """The mean.

        Raises:
            DataError: No image has a valid pixel.
        """
        if not self.errors:
            raise DataError(f"none of {self.images:,} images has a valid pixel to measure with.")
        return float(np.mean(self.errors))


def depth_rmse(task: Any, data: Any) -> DepthRmse:
    """The metric of a depth estimator and its datamodule."""
    return DepthRmse(task.evaluator.protocol)
