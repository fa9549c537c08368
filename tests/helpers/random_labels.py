"""Random label maps, and mmsegmentation's numbers for them."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor

from vision.contracts.segmentation import IGNORED


class Maps(NamedTuple):
    """A prediction and its target, both int64 `(H, W)`."""

    predicted: Tensor
    target: Tensor


def random_maps(
    seed: int,
    num_classes: int,
    *,
    sizes: list[tuple[int, int]],
    block: int = 5,
    ignored: float = 0.1,
    right: float = 0.7,
) -> list[Maps]:
    """Blocks of labels with ragged edges; most of a prediction is as its target."""
    draw = np.random.default_rng(seed)
    return [_maps(draw, num_classes, size, block, ignored, right) for size in sizes]


def _maps(
    draw: np.random.Generator,
    num_classes: int,
    size: tuple[int, int],
    block: int,
    ignored: float,
    right: float,
) -> Maps:
    height, width = size
    # Some classes are in no map, others in one of the two alone.
    here = draw.permutation(num_classes)[: max(1, num_classes - num_classes // 4)]

    def blocks(choices: np.ndarray) -> np.ndarray:
        grid = draw.choice(choices, (height // block + 1, width // block + 1))
        return grid.repeat(block, 0).repeat(block, 1)[:height, :width]

    target = blocks(here)
    predicted = np.where(draw.random(size) < right, target, blocks(here))
    target[blocks(np.linspace(0, 1, 50)) < ignored] = IGNORED
    return Maps(torch.from_numpy(predicted), torch.from_numpy(target))


def judge(maps: list[Maps], num_classes: int) -> dict[str, Any]:
    """What `IoUMetric` of mmsegmentation says: areas, and percentages of two decimals."""
    iou_metric = pytest.importorskip("mmseg.evaluation.metrics.iou_metric").IoUMetric
    metric = iou_metric()
    metric.dataset_meta = {"classes": [str(k) for k in range(num_classes)]}
    results = [
        iou_metric.intersect_and_union(one.predicted, one.target, num_classes, IGNORED)
        for one in maps
    ]
    areas = [sum(column) for column in zip(*results, strict=True)]
    classes = iou_metric.total_area_to_metrics(*areas)
    return {
        "areas": [column.numpy().astype(np.int64) for column in areas],
        **{name: np.round(classes[name] * 100, 2) for name in ("IoU", "Acc")},
        **metric.compute_metrics(results),
    }
