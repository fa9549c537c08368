"""A small centre head and objects for it."""

from typing import Any

import torch
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.contracts.lidar import LidarTarget
from vision.heads.detection3d.center import CenterHead
from vision.losses.center import CenterLoss
from vision.ops.center_maps import BOX_CODE, CenterOutputs, encode_boxes, map_places

# 16 rows of 1 m along y, 20 columns of 0.5 m along x; maps of stride 2 have half as many.
GRID: dict[str, Any] = {"cell_size": (0.5, 1.0), "point_range": (0.0, -8.0, -3.0, 10.0, 8.0, 1.0)}
BOXES = torch.tensor(
    [
        [2.3, -4.4, -1.0, 3.9, 1.5, 1.7, 0.4],
        [6.1, 3.2, -0.6, 0.8, 1.8, 0.6, -2.9],
        [8.4, 5.9, -0.9, 1.8, 1.7, 0.6, 1.6],
    ]
)
LABELS = torch.tensor([0, 1, 2])
CLASSES = 3


def tiny_center_head(*, stride: int = 1, **options: Any) -> CenterHead:
    """A head over a map of 6 channels."""
    torch.manual_seed(0)
    small = {"num_classes": CLASSES, "grid": GRID, "shared_channels": 8, "channels": 8}
    return CenterHead((FeatureSpec(6, stride),), **{**small, **options})


def tiny_objects(*places: int) -> LidarTarget:
    """Some of `BOXES`."""
    chosen = torch.tensor(places, dtype=torch.int64)
    return {"boxes3d": BOXES[chosen], "labels": LABELS[chosen]}


def perfect_outputs(head: CenterHead, targets: list[LidarTarget]) -> CenterOutputs:
    """Maps from which exactly the objects are found."""
    columns, rows = 20 // _stride(head), 16 // _stride(head)
    heatmap = torch.full((len(targets), CLASSES, rows, columns), -20.0)
    code = torch.zeros(len(targets), BOX_CODE, rows, columns)
    for i, target in enumerate(targets):
        place = map_places(target["boxes3d"], head.map_grid)
        x, y = place.floor().long().unbind(-1)
        heatmap[i, target["labels"], y, x] = 20.0
        code[i, :, y, x] = encode_boxes(target["boxes3d"], place - place.floor()).T
    offset, height, log_size, rotation = code.split([2, 1, 3, 2], dim=1)
    return {
        "heatmap": heatmap,
        "offset": offset,
        "height": height,
        "log_size": log_size,
        "rotation": rotation,
        "overlap": torch.ones(len(targets), 1, rows, columns),
    }


def total(terms: dict[str, Tensor]) -> Tensor:
    """Sum of the terms of a loss."""
    return torch.stack(list(terms.values())).sum()


def tiny_loss(head: CenterHead, **options: Any) -> CenterLoss:
    """The criterion of a head."""
    return CenterLoss(grid=head.map_grid, options=options)


def _stride(head: CenterHead) -> int:
    return round(head.map_grid.cell[1] / GRID["cell_size"][1])
