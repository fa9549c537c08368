"""Locations of a feature pyramid, and the object assigned to each.

P counts locations over all levels, M places for objects.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from vision.ops.boxes import box_iof
from vision.ops.matching import BACKGROUND, IGNORED, MAX_PAIRS
from vision.ops.targets import PaddedTargets


def points(
    shapes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    *,
    device: torch.device | str | None = None,
) -> list[Tensor]:
    """Centres of the cells of each map of a pyramid.

    Args:
        shapes: Height h and width w of each map in cells.
        strides: Pixels per cell of each map.
        device: Device of the points.

    Returns:
        For each map, float32 `(h * w, 2)`: x and y in pixels of the image, row by row.
    """
    levels = []
    for (height, width), stride in zip(shapes, strides, strict=True):
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
        y, x = torch.meshgrid(y, x, indexing="ij")
        levels.append(torch.stack([x, y], dim=-1).reshape(-1, 2))
    return levels


@torch.no_grad()
def assign_points(
    locations: Tensor,
    strides: Tensor,
    targets: PaddedTargets,
    *,
    radius: float | None,
    limit: float,
    crowd_iof: float | None,
) -> Tensor:
    """Give each location an object, the background, or nothing.

    "FCOS: A Simple and Strong Anchor-free Object Detector", Tian et al., 2020, sections 2.1 and
    2.2. A location takes the smallest object that has it near its centre and strictly inside its
    box, and whose side farthest from the location is in the range of the location's level.

    Args:
        locations: float32 `(P, 2)`, x and y in pixels.
        strides: float32 `(P,)`, stride of each location's level, each twice the one before.
        targets: The objects.
        radius: Largest distance from the centre of the box along each axis, in strides; None for
            anywhere in the box.
        limit: Largest distance to a side, in strides, both ends included, on all levels but the
            coarsest; the smallest, on all levels but the finest, is half of it.
        crowd_iof: Background locations are ignored if at least this share of their cell lies in a
            crowd; None treats crowds as background.

    Returns:
        int64 `(B, P)`: place of the object among the targets of the image, `BACKGROUND` or
        `IGNORED`.
    """
    batch, places = targets.valid.shape
    step = max(1, MAX_PAIRS // (places * max(1, len(locations))))
    cells = torch.cat([locations - strides[:, None] / 2, locations + strides[:, None] / 2], dim=1)
    lowest = (strides * (limit / 2)).masked_fill(strides == strides.min(), 0)
    highest = (strides * limit).masked_fill(strides == strides.max(), torch.inf)
    matches = []
    for start in range(0, batch, step):
        some = PaddedTargets(*(values[start : start + step] for values in targets))
        nearest, farthest = _side_distances(locations, some.boxes)  # (B, P, M)
        fits = (nearest > 0) & (farthest >= lowest[:, None]) & (farthest <= highest[:, None])
        if radius is not None:
            fits &= _centre_distance(locations, some.boxes) < radius * strides[:, None]
        fits &= some.valid[:, None]
        size = some.boxes[..., 2:] - some.boxes[..., :2]
        area = (size[..., 0] * size[..., 1])[:, None].expand_as(fits)
        minimum, match = area.masked_fill(~fits, torch.inf).min(dim=2)  # (B, P)
        match = match.masked_fill(minimum.isinf(), BACKGROUND)
        if crowd_iof is not None:
            share = box_iof(cells, some.boxes).masked_fill(~some.crowd[:, None], -1)
            hidden = (share.amax(dim=2) >= crowd_iof) & (match == BACKGROUND)
            match = match.masked_fill(hidden, IGNORED)
        matches.append(match)
    return torch.cat(matches)


def _side_distances(locations: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Signed distance `(B, P, M)` of each location to the nearest and farthest side of a box."""
    nearest = farthest = None
    for axis in (0, 1):
        place = locations[:, axis, None]
        for distance in (place - boxes[:, None, :, axis], boxes[:, None, :, axis + 2] - place):
            nearest = distance if nearest is None else torch.minimum(nearest, distance)
            farthest = distance if farthest is None else torch.maximum(farthest, distance)
    assert nearest is not None, "there are four sides"
    assert farthest is not None, "there are four sides"
    return nearest, farthest


def _centre_distance(locations: Tensor, boxes: Tensor) -> Tensor:
    """Larger one of the distances `(B, P, M)` to the centre of a box along x and y."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2  # (B, M, 2)
    x, y = ((locations[:, axis, None] - centre[:, None, :, axis]).abs() for axis in (0, 1))
    return torch.maximum(x, y)
