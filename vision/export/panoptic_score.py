"""Panoptic quality of exported models."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from vision.export.score import Outputs, Score
from vision.metrics.panoptic import PanopticEvaluator, overlaps, segments_of
from vision.ops.panoptic_merge import MergeOptions, merge_outputs


class PanopticQuality(Score):
    """Mean over classes of the panoptic quality, in the pixels of the files.

    Segments are merged in the pixels of the model's input and resized to the file's size by nearest
    neighbour, where the task resizes logits.

    Args:
        num_classes: Number of classes.
        things: Indices of the classes of countable objects.
        merge: Thresholds and order of the merging.
    """

    metric = "PQ"

    def __init__(self, num_classes: int, things: list[int], merge: MergeOptions) -> None:
        super().__init__()
        self.things, self.merge = things, merge
        self.evaluator = PanopticEvaluator(num_classes)

    def update(self, outputs: Outputs, batch: Mapping[str, Any]) -> None:
        """Add `queries`, `shares` and `class_probabilities` for `mask` and `segments`."""
        arrays = [outputs[name].numpy() for name in ("queries", "shares", "class_probabilities")]
        for i, parts in enumerate(zip(*arrays, strict=True)):
            size, original = (tuple(batch[key][i].tolist()) for key in ("size", "original_size"))
            ids, segments = merge_outputs(*parts, things=self.things, options=self.merge, size=size)
            # Ids are few: floats hold them exactly.
            whole = torch.from_numpy(ids)[None, None].float()
            found = F.interpolate(whole, original, mode="nearest-exact")[0, 0].int().numpy()
            # A small segment may have no pixel in a smaller file.
            seen = set(np.unique(found).tolist())
            kept = [one for one in segments if one["id"] in seen]
            truth = batch["mask"][i, : original[0], : original[1]].numpy()
            self.evaluator.update(
                overlaps(truth, found), segments_of(batch["segments"][i]), segments_of(kept)
            )
        self.images += len(outputs["queries"])

    def value(self) -> float:
        """The mean over the classes that occur."""
        count = self.evaluator.num_categories
        numbers = np.arange(count)
        names = [str(k) for k in numbers]
        result = self.evaluator.compute(names, numbers, np.isin(numbers, self.things))
        return result.scalars()["PQ"]


def panoptic_quality(task: Any, data: Any) -> PanopticQuality:
    """The metric of a panoptic model and its datamodule."""
    things = data.things if task.things is None else task.things
    return PanopticQuality(task.num_classes, list(things), task.merge)
