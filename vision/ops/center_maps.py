"""Boxes as numbers of the cell of a map that holds their centre, in both directions.

"Center-based 3D Object Detection and Tracking", Yin et al., 2021,
https://arxiv.org/abs/2006.11275, section 4. The numbers are, in this order, those of the maps
`CODE`: offset of the centre from the lowest corner of its cell along x and y in cells; height of
the centre in metres; logarithms of length, width and height in metres; sine and cosine of the yaw,
which is counted **clockwise** seen from above in published weights, against the frame `LIDAR`.

Letters: B sweeps, K classes, H and W rows (along y) and columns (along x) of the map.
"""

from collections.abc import Sequence
from typing import NamedTuple, NotRequired, TypedDict

import torch
from torch import Tensor

from vision.ops.boxes3d import from_lidar, to_lidar
from vision.ops.host_values import values_like
from vision.ops.pillar_grid import PillarGrid

# The maps of a box, and their channels; the last one is optional.
CODE = {"offset": 2, "height": 1, "log_size": 3, "rotation": 2, "velocity": 2}
# Numbers of a box without its velocity.
BOX_CODE = 8
# Of a side: 3 km. Before training a side may be any, and infinite ones have no overlap.
MAX_LOG_SIZE = 8.0


class CenterOutputs(TypedDict):
    """The maps that the head returns.

    Keys:
        heatmap: float `(B, K, H, W)` logits of an object's centre.
        offset: float `(B, 2, H, W)` x, y in cells.
        height: float `(B, 1, H, W)` z of the centre in metres.
        log_size: float `(B, 3, H, W)` of length, width and height in metres.
        rotation: float `(B, 2, H, W)` sine and cosine of the clockwise yaw.
        velocity: float `(B, 2, H, W)` along x and y in metres per second.
        overlap: float `(B, 1, H, W)` intersection over union that the box is expected to have.
    """

    heatmap: Tensor
    offset: Tensor
    height: Tensor
    log_size: Tensor
    rotation: Tensor
    velocity: NotRequired[Tensor]
    overlap: NotRequired[Tensor]


class MapGrid(NamedTuple):
    """Where the cells of a map lie.

    Attributes:
        low: x and y of the lowest corner in metres, in the frame `LIDAR`.
        cell: Sides of a cell along x and y in metres.
    """

    low: tuple[float, float]
    cell: tuple[float, float]


def map_grid(grid: PillarGrid, stride: int) -> MapGrid:
    """The cells of a map that is coarser than the grid by a factor."""
    x, y = grid.cell_size
    return MapGrid(low=grid.low[:2], cell=(x * stride, y * stride))


def code_maps(outputs: CenterOutputs) -> Tensor:
    """The numbers of the boxes of all cells, `(B, H * W, 8)`, or 10 with the velocity."""
    maps = [outputs["offset"], outputs["height"], outputs["log_size"], outputs["rotation"]]
    if "velocity" in outputs:
        maps.append(outputs["velocity"])
    return torch.cat(maps, dim=1).flatten(2).transpose(1, 2)


def gather_cells(values: Tensor, index: Tensor) -> Tensor:
    """Rows of cells.

    Args:
        values: `(B, H * W, C)`.
        index: int64 `(B, M)` place of each cell in the flat map.

    Returns:
        `(B, M, C)`.
    """
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))


def decode_boxes(code: Tensor, index: Tensor, columns: int, grid: MapGrid) -> Tensor:
    """Boxes of their numbers.

    Args:
        code: float `(..., 8)` or more.
        index: int64 `(...)` place of the cell of each in the flat map.
        columns: Number W of columns of the map.
        grid: Where the cells lie.

    Returns:
        `(..., 7)` in the frame `LIDAR`, yaw in [-pi, pi].
    """
    x = (index % columns + code[..., 0]) * grid.cell[0] + grid.low[0]
    y = (index // columns + code[..., 1]) * grid.cell[1] + grid.low[1]
    length, width, height = code[..., 3:6].clamp(max=MAX_LOG_SIZE).exp().unbind(-1)
    yaw = -torch.atan2(code[..., 6], code[..., 7])
    return from_lidar(torch.stack([x, y, code[..., 2], length, width, height, yaw], dim=-1))


def map_places(boxes: Tensor, grid: MapGrid) -> Tensor:
    """Places `(..., 2)` of the centres of boxes `(..., 7)` in a map, x and y in cells."""
    low, cell = values_like(boxes, grid.low), values_like(boxes, grid.cell)
    return (boxes[..., :2] - low) / cell


def encode_boxes(boxes: Tensor, offset: Tensor) -> Tensor:
    """The numbers of boxes: the inverse of `decode_boxes`.

    Args:
        boxes: float `(..., 7)` in the frame `LIDAR`, sizes above 0.
        offset: float `(..., 2)` of the centres in their cells.

    Returns:
        float `(..., 8)`.
    """
    numbers = to_lidar(boxes)
    yaw = -numbers[..., 6:]
    return torch.cat([offset, numbers[..., 2:3], numbers[..., 3:6].log(), yaw.sin(), yaw.cos()], -1)


def per_class(values: float | Sequence[float], num_classes: int) -> list[float]:
    """One number for each class, of which one number is given for all, or one each."""
    return [values] * num_classes if isinstance(values, int | float) else list(values)
