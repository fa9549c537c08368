"""What the maps of a centre head learn of the boxes of each sweep.

"Center-based 3D Object Detection and Tracking", Yin et al., 2021,
https://arxiv.org/abs/2006.11275, section 4; radii as in "CornerNet", Law and Deng, 2018,
https://arxiv.org/abs/1808.01244, as the code of detectors computes them.

Letters: B sweeps, K classes, M places for objects, T objects, H and W rows and columns of the map.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from vision.contracts.lidar import LidarTarget
from vision.ops.center_maps import BOX_CODE, MapGrid, encode_boxes, map_places
from vision.ops.host_values import values_like


class CenterTargets(NamedTuple):
    """Targets of a batch.

    Attributes:
        heatmap: float `(B, K, H, W)`: 1 at the cell of a centre, falling to 0 around it.
        code: float `(B, M, 8)` numbers of each object's box, 0 at empty places.
        cell: int64 `(B, M)` its cell in the flat map, 0 at empty places.
        mask: bool `(B, M)` whether a place has an object.
    """

    heatmap: Tensor
    code: Tensor
    cell: Tensor
    mask: Tensor


@torch.no_grad()
def center_targets(
    targets: Sequence[LidarTarget],
    heatmap_shape: Sequence[int],
    grid: MapGrid,
    *,
    max_objects: int,
    min_overlap: float,
    min_radius: int,
) -> CenterTargets:
    """Targets of the objects of each sweep.

    Objects are taken class by class. Those whose centre is outside the map keep an empty place; a
    centre up to one cell below the map belongs to its first cells, as published.

    Args:
        targets: The objects of each sweep.
        heatmap_shape: `(B, K, H, W)`.
        grid: Where the cells of the map lie.
        max_objects: Places M of a sweep; objects after these are left out.
        min_overlap: Of a box whose corners lie a radius away, with the true one.
        min_radius: Smallest radius in cells.
    """
    batch, classes, rows, columns = heatmap_shape
    device = targets[0]["boxes3d"].device
    heatmap = torch.zeros(batch, classes, rows, columns, device=device)
    code = torch.zeros(batch, max_objects, BOX_CODE, device=device)
    index = torch.zeros(batch, max_objects, dtype=torch.int64, device=device)
    mask = torch.zeros(batch, max_objects, dtype=torch.bool, device=device)
    for i, target in enumerate(targets):
        order = target["labels"].argsort(stable=True)[:max_objects]
        boxes, labels = target["boxes3d"][order].float(), target["labels"][order]
        place = map_places(boxes, grid)
        cell = place.trunc().long()  # (T, 2) x, y
        solid = (boxes[:, 3:6:2] > 0).all(dim=1)
        limit = values_like(cell, [columns, rows])
        inside = ((cell >= 0) & (cell < limit)).all(dim=1) & solid
        slots = inside.nonzero()[:, 0]
        cell, labels, boxes = cell[slots], labels[slots], boxes[slots]
        code[i, slots] = encode_boxes(boxes, place[slots] - cell)
        index[i, slots] = cell[:, 1] * columns + cell[:, 0]
        mask[i, slots] = True
        sides = boxes[:, 3:6:2].flip(1) / values_like(boxes, grid.cell[::-1])  # width, length
        radii = gaussian_radius(sides, min_overlap).long().clamp(min=min_radius)
        draw_peaks(heatmap[i], cell, labels, radii)
    return CenterTargets(heatmap, code, index, mask)


def gaussian_radius(sides: Tensor, min_overlap: float) -> Tensor:
    """How far both corners of a rectangle may move so that it keeps an overlap.

    The roots of the three cases are divided by 2 as in published code, not by twice the factor of
    the square, so that a radius is larger than it would have to be.

    Args:
        sides: float `(T, 2)` in cells.
        min_overlap: Intersection over union, in (0, 1).

    Returns:
        float `(T,)` in cells.
    """
    total, area = sides.sum(dim=1), sides.prod(dim=1)
    share = (1 - min_overlap) / (1 + min_overlap)
    cases = (
        (1.0, total, area * share),
        (4.0, 2 * total, (1 - min_overlap) * area),
        (4 * min_overlap, -2 * min_overlap * total, (min_overlap - 1) * area),
    )
    roots = [(b + (b * b - 4 * a * c).sqrt()) / 2 for a, b, c in cases]
    return torch.stack(roots).amin(dim=0)


def draw_peaks(heatmap: Tensor, cells: Tensor, labels: Tensor, radii: Tensor) -> None:
    """Write a bell around each object; where two meet the larger value stays.

    Args:
        heatmap: float `(K, H, W)`, changed in place.
        cells: int64 `(T, 2)` x, y, within the map.
        labels: int64 `(T,)` class.
        radii: int64 `(T,)` in cells: the bell ends there. Its deviation is a sixth of its width.
    """
    if len(cells) == 0:
        return
    _, rows, columns = heatmap.shape
    reach = int(radii.amax())
    steps = torch.arange(-reach, reach + 1, device=cells.device)
    dy, dx = (step.flatten() for step in torch.meshgrid(steps, steps, indexing="ij"))
    x, y = cells[:, :1] + dx, cells[:, 1:] + dy  # (T, cells of the square)
    deviation = ((2 * radii + 1) / 6).double()[:, None]
    values = (-(dx * dx + dy * dy) / (2 * deviation * deviation)).exp().to(heatmap.dtype)
    near = (dx.abs() <= radii[:, None]) & (dy.abs() <= radii[:, None])
    near &= (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    place = (labels[:, None] * rows + y) * columns + x
    heatmap.view(-1).scatter_reduce_(0, place[near], values[near], "amax")
