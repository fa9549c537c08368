"""Mapping of an image's objects through its geometry: boxes, areas and masks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.data.index.detection import Objects
from vision.data.index.segments import Outline
from vision.data.transforms.geometry import Geometry
from vision.data.transforms.polygons import fill_polygons, visible_box
from vision.errors import DataError

# Annotated boxes exceed their image by rounding; up to this, in pixels of the result, is not a cut.
_TOLERANCE = 1e-2

# The visible part of an outline: polygons in pixels of the result, or a mask of the window.
_Part = list[np.ndarray] | np.ndarray | None


class MappedObjects(NamedTuple):
    """The objects of an augmented image.

    Attributes:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)` in pixels of the result, inside of it.
        labels: int64 `(M,)` class index.
        crowd: bool `(M,)`.
        areas: float32 `(M,)` in square pixels of the result.
        masks: bool `(M, H, W)`; None without outlines.
    """

    boxes: Tensor
    labels: Tensor
    crowd: Tensor
    areas: Tensor
    masks: Tensor | None


def map_objects(
    objects: Objects,
    outlines: Sequence[Outline] | None,
    geometry: Geometry,
    *,
    min_visible: float = 0.0,
) -> MappedObjects:
    """Map the objects of an image by its geometry.

    A box that the window does not cut is scaled and shifted as annotated, and so is the area. A cut
    box is recomputed around the visible part: from the outline if there are outlines, to a fraction
    of a pixel, otherwise by clipping. The area of a cut object is then its mask's area in the
    result, or the visible share of the box times the annotated area. Polygons are rasterised last,
    at the size of the result, as in pycocotools.

    Args:
        objects: The objects, in pixels of the image.
        outlines: Polygons or run lengths of each object; None for only boxes.
        geometry: The map.
        min_visible: Objects with a shorter side than this in pixels of the result are dropped, and
            with `outlines` also objects without any pixel left. 0 keeps every object.

    Raises:
        DataError: The mask of an object has another size than the image.
    """
    full = geometry.boxes(objects.boxes)
    limit = np.array(geometry.size[::-1] * 2, dtype=np.float64)
    boxes = full.clip(0, limit)
    cut = (np.abs(boxes - full) > _TOLERANCE).any(axis=1)
    scale_x, scale_y = geometry.scale
    areas = objects.areas.astype(np.float64) * (scale_x * scale_y)
    if outlines is None:
        areas[cut] *= _share(boxes[cut], full[cut])
        return _select(objects, boxes, areas, _wide(boxes, min_visible), None)
    # Without a window, a box that exceeds its image was annotated so: it is only clipped.
    cut &= geometry.crops
    parts: dict[int, _Part] = {}
    for i in np.flatnonzero(_wide(boxes, min_visible)).tolist():
        parts[i] = _part(outlines[i], geometry)
        if cut[i]:
            boxes[i] = _visible_box(parts[i], geometry)
    kept = np.flatnonzero(_wide(boxes, min_visible))
    masks = np.zeros((len(kept), *geometry.canvas), dtype=bool)
    for mask, i in zip(masks, kept.tolist(), strict=True):
        _draw(mask[: geometry.size[0], : geometry.size[1]], parts[i], geometry)
        if cut[i]:
            areas[i] = np.count_nonzero(mask)
    if min_visible > 0:
        drawn = masks.any(axis=(1, 2))
        if not drawn.all():
            kept, masks = kept[drawn], masks[drawn]
    return _select(objects, boxes, areas, kept, masks)


def join_objects(
    parts: Sequence[tuple[MappedObjects, tuple[int, int]]],
    canvas: tuple[int, int],
    *,
    masks: bool,
) -> MappedObjects:
    """The objects of several images in the pixels of one that shows them all.

    Args:
        parts: The objects of each image, and the pixel, down and across, where its top left lies.
        canvas: Height and width of the whole in pixels, within which all masks lie.
        masks: Whether to join masks too.

    Returns:
        All objects in order. They have no masks if some of them have none.
    """
    moved = [
        objects.boxes + torch.tensor([left, top, left, top], dtype=torch.float32)
        for objects, (top, left) in parts
    ]
    return MappedObjects(
        boxes=torch.cat([torch.zeros(0, 4), *moved]),
        labels=_cat(torch.int64, [objects.labels for objects, _ in parts]),
        crowd=_cat(torch.bool, [objects.crowd for objects, _ in parts]),
        areas=_cat(torch.float32, [objects.areas for objects, _ in parts]),
        masks=_join_masks(parts, canvas) if masks else None,
    )


def _cat(dtype: torch.dtype, columns: list[Tensor]) -> Tensor:
    return torch.cat([torch.zeros(0, dtype=dtype), *columns])


def _join_masks(
    parts: Sequence[tuple[MappedObjects, tuple[int, int]]], canvas: tuple[int, int]
) -> Tensor | None:
    count = sum(len(objects.labels) for objects, _ in parts)
    joined = np.zeros((count, *canvas), dtype=bool)
    start = 0
    for objects, (top, left) in parts:
        if objects.masks is None:
            if len(objects.labels):
                return None
            continue
        rows, height, width = objects.masks.shape
        own = objects.masks.numpy()
        joined[start : start + rows, top : top + height, left : left + width] = own
        start += rows
    return torch.from_numpy(joined)


def mask_extent(mask: np.ndarray) -> np.ndarray:
    """The box around the pixels of a mask, bool `(H, W)`.

    Returns:
        int64 `(4,)`, `(x1, y1, x2, y2)` in pixels; zeros without any pixel.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros(4, dtype=np.int64)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def _share(boxes: np.ndarray, full: np.ndarray) -> np.ndarray:
    sides, whole = (value[:, 2:] - value[:, :2] for value in (boxes, full))
    return (sides / np.maximum(whole, 1e-9)).prod(axis=1)


def _wide(boxes: np.ndarray, minimum: float) -> np.ndarray:
    return (boxes[:, 2:] - boxes[:, :2] >= minimum).all(axis=1)


def _select(
    objects: Objects,
    boxes: np.ndarray,
    areas: np.ndarray,
    kept: np.ndarray,
    masks: np.ndarray | None,
) -> MappedObjects:
    return MappedObjects(
        boxes=torch.from_numpy(boxes[kept].astype(np.float32)),
        labels=torch.from_numpy(objects.labels[kept].astype(np.int64)),
        crowd=torch.from_numpy(objects.crowd[kept]),
        areas=torch.from_numpy(areas[kept].astype(np.float32)),
        masks=None if masks is None else torch.from_numpy(masks),
    )


def _part(outline: Outline, geometry: Geometry) -> _Part:
    if outline is None:
        return None
    if isinstance(outline, list):
        return [geometry.points(points) for points in outline]
    from pycocotools.mask import decode

    if tuple(outline["size"]) != geometry.image_size:
        raise DataError(
            f"the mask of an object is {outline['size'][0]} x {outline['size'][1]} pixels (height "
            f"x width), but its image is {geometry.image_size[0]} x {geometry.image_size[1]}; "
            "`size` of a segmentation must equal the image's size."
        )
    return geometry.crop(decode(outline)[None].view(bool))[0]


def _visible_box(part: _Part, geometry: Geometry) -> np.ndarray:
    if part is None:
        return np.zeros(4)
    if isinstance(part, list):
        return visible_box(part, *geometry.size)
    extent = mask_extent(part)
    if not extent.any():
        return np.zeros(4)
    offset = (geometry.window.left, geometry.window.top) * 2
    return geometry.boxes((extent + offset).reshape(1, 4))[0]


def _draw(mask: np.ndarray, part: _Part, geometry: Geometry) -> None:
    if isinstance(part, list):
        fill_polygons(mask, part)
    elif part is not None:
        mask[:] = geometry.mask(part)
