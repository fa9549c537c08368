"""Cut a large image into overlapping tiles, and merge the objects found in them.

An object that crosses the border of a tile appears in it as a piece. A neighbouring tile shows more
of it, all of it, or another piece; the whole image, shrunken, shows large objects entire.
M counts objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vision.ops.boxes import box_area, box_iof, box_iou
from vision.ops.nms import batched_nms
from vision.ops.windows import window_starts
from vision.predict.options import PredictOptions

# A box ends at a border if it is at most this far from it, in pixels of the original image or of
# the shrunken one, whichever are larger.
NEAR_PX = 2.0
# Two pieces belong to one object if their IoU in the overlap of both tiles is at least this.
SAME_IOU = 0.5
# A piece belongs to an entire object that covers at least this share of it.
COVERED = 0.7
NMS_IOU = 0.5


class Tile(NamedTuple):
    """A part of an image, in its pixels.

    Attributes:
        top: First row.
        left: First column.
        bottom: Row after the last one.
        right: Column after the last one.
        inner: Whether the left, top, right and bottom border lie inside the image.
        whole: Whether it is the whole image.
    """

    top: int
    left: int
    bottom: int
    right: int
    inner: tuple[bool, bool, bool, bool]
    whole: bool = False

    @property
    def box(self) -> Tensor:
        """`(x1, y1, x2, y2)`, float32 `(4,)`."""
        return torch.tensor([self.left, self.top, self.right, self.bottom], dtype=torch.float32)

    def inner_sides(self) -> list[int]:
        """Which of the values of `box` are borders inside the image."""
        return [side for side, inner in enumerate(self.inner) if inner]


class Crop(NamedTuple):
    """A mask cropped to its object.

    Attributes:
        top: First row in the image.
        left: First column in the image.
        mask: bool `(h, w)`.
    """

    top: int
    left: int
    mask: Tensor


@dataclass
class FoundObjects:
    """Objects in pixels of the original image.

    Attributes:
        boxes: float32 `(M, 4)`, `(x1, y1, x2, y2)`.
        labels: int64 `(M,)`.
        scores: float32 `(M,)`.
        masks: One per object; None without masks.
        near_px: Maximum distance from a border of a box that it cuts.
    """

    boxes: Tensor
    labels: Tensor
    scores: Tensor
    masks: list[Crop] | None
    near_px: float = NEAR_PX


def cut_tiles(image: Tensor, options: PredictOptions) -> list[Tile]:
    """The tiles of an image `(3, H, W)`, row by row, then the whole image if requested."""
    assert options.tile_size is not None, "there are tiles"
    (height, width), (down, right) = options.tile_size, options.tile_stride
    rows, columns = image.shape[1:]
    tiles = []
    for top in window_starts(rows, height, down):
        for left in window_starts(columns, width, right):
            end, side = min(top + height, rows), min(left + width, columns)
            inner = (left > 0, top > 0, side < columns, end < rows)
            tiles.append(Tile(top, left, end, side, inner))
    if options.whole_view:
        tiles.append(Tile(0, 0, rows, columns, (False,) * 4, whole=True))
    return tiles


def find_in_tile(
    prediction: Mapping[str, Any], tile: Tile, size: tuple[int, int], threshold: float
) -> FoundObjects:
    """Convert the objects found in a tile to pixels of the image.

    Args:
        prediction: Boxes and masks in pixels of `size`.
        tile: The tile.
        size: Height and width of the tile in the prediction, in pixels.
        threshold: Minimum score of an object.
    """
    kept = prediction["scores"] >= threshold
    scale = torch.tensor(
        [(tile.right - tile.left) / size[1], (tile.bottom - tile.top) / size[0]]
    ).repeat(2)
    offset = torch.tensor([tile.left, tile.top], dtype=torch.float32).repeat(2)
    masks = prediction.get("masks")
    crops = None
    if masks is not None:
        crops = [_crop(masks[i], tile, size) for i in kept.nonzero().flatten().tolist()]
    return FoundObjects(
        boxes=prediction["boxes"][kept] * scale + offset,
        labels=prediction["labels"][kept],
        scores=prediction["scores"][kept],
        masks=crops,
        near_px=NEAR_PX * max(1.0, float(scale.max())),
    )


def _crop(mask: Tensor, tile: Tile, size: tuple[int, int]) -> Crop:
    """Cut out a mask `(h, w)`, and enlarge it from `size` to the pixels of the tile."""
    rows, columns = mask.any(dim=1).nonzero().flatten(), mask.any(dim=0).nonzero().flatten()
    if len(rows) == 0:
        return Crop(tile.top, tile.left, mask.new_zeros(0, 0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    part = mask[top:bottom, left:right].clone()
    full = (tile.bottom - tile.top, tile.right - tile.left)
    if full == size:
        return Crop(tile.top + top, tile.left + left, part)
    down, across = full[0] / size[0], full[1] / size[1]
    y, x = round(top * down), round(left * across)
    shape = (max(1, round(bottom * down) - y), max(1, round(right * across) - x))
    large = F.interpolate(part[None, None].float(), size=shape, mode="bilinear")[0, 0] >= 0.5
    return Crop(y, x, large)


def join_tiles(found: Sequence[FoundObjects], tiles: Sequence[Tile]) -> FoundObjects:
    """Merge the objects of all tiles, each once.

    1. A piece (a box that ends at an inner border of its tile) is dropped if another tile contains
       all of it.
    2. Other pieces of one class from two tiles are one object if they agree where both tiles see
       them; they are merged, with the higher score.
    3. A piece inside an entire object of its class is dropped.
    4. Of overlapping boxes of one class, the one with the highest score is kept.

    Args:
        found: Objects of each tile.
        tiles: The tiles.

    Returns:
        The objects, highest score first.
    """
    owner = torch.cat([torch.full((len(one.labels),), i) for i, one in enumerate(found)])
    crops = None
    if found and found[0].masks is not None:
        crops = [crop for one in found for crop in one.masks or ()]
    boxes = torch.cat([one.boxes for one in found])
    labels = torch.cat([one.labels for one in found])
    scores = torch.cat([one.scores for one in found])
    cut = torch.cat(
        [_is_cut(one.boxes, tile, one.near_px) for one, tile in zip(found, tiles, strict=True)]
    )
    kept = ~(cut & _seen_elsewhere(boxes, owner, tiles)).numpy()
    groups = _pieces(boxes, labels, owner, cut.numpy() & kept, tiles)
    groups += [[i] for i in range(len(labels)) if kept[i] and not cut[i]]
    if not groups:
        return FoundObjects(boxes[:0], labels[:0], scores[:0], None if crops is None else [])
    united = torch.stack([_union(boxes[group]) for group in groups])
    label = torch.stack([labels[group[0]] for group in groups])
    score = torch.stack([scores[group].max() for group in groups])
    piece = torch.tensor([bool(cut[group[0]]) for group in groups])
    covered = _covered(united, label, piece)
    left = (~covered).nonzero().flatten()
    order = left[batched_nms(united[left], score[left], label[left], NMS_IOU)]
    masks = None
    if crops is not None:
        masks = [_unite([crops[i] for i in groups[place]]) for place in order.tolist()]
    return FoundObjects(united[order], label[order], score[order], masks)


def _is_cut(boxes: Tensor, tile: Tile, near_px: float) -> Tensor:
    """Whether each box ends at an inner border of its tile: bool `(M,)`."""
    return ((boxes - tile.box).abs() <= near_px)[:, tile.inner_sides()].any(dim=1)


def _seen_elsewhere(boxes: Tensor, owner: Tensor, tiles: Sequence[Tile]) -> Tensor:
    """Whether another tile contains all of a box, away from its inner borders: bool `(M,)`."""
    seen = torch.zeros(len(boxes), dtype=torch.bool)
    for i, tile in enumerate(tiles):
        if tile.whole:  # shrunken, it may miss the small objects that tiles are for
            continue
        low, high = tile.box[:2].clone(), tile.box[2:].clone()
        inner = torch.tensor(tile.inner)
        low[inner[:2]] += 2 * NEAR_PX
        high[inner[2:]] -= 2 * NEAR_PX
        inside = (boxes[:, :2] >= low).all(dim=1) & (boxes[:, 2:] <= high).all(dim=1)
        seen |= inside & (owner != i)
    return seen


def _pieces(
    boxes: Tensor, labels: Tensor, owner: Tensor, chosen: Any, tiles: Sequence[Tile]
) -> list[list[int]]:
    """Group the pieces that belong to one object."""
    places = [i for i in range(len(labels)) if chosen[i]]
    parent = {i: i for i in places}

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    label, tile = labels.tolist(), owner.tolist()
    for number, i in enumerate(places):
        for k in places[:number]:
            same = label[i] == label[k] and tile[i] != tile[k]
            if same and _agree(boxes[i], boxes[k], tiles[tile[i]], tiles[tile[k]]):
                parent[root(i)] = root(k)
    groups: dict[int, list[int]] = {}
    for i in places:
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def _agree(a: Tensor, b: Tensor, first: Tile, second: Tile) -> bool:
    """Whether two boxes agree where both tiles see them."""
    low = torch.maximum(first.box[:2], second.box[:2])
    high = torch.minimum(first.box[2:], second.box[2:])
    if not bool((high > low).all()):
        return False
    both = torch.stack([a, b])
    clipped = torch.cat([both[:, :2].clamp(low, high), both[:, 2:].clamp(low, high)], dim=1)
    if not bool((box_area(clipped) > 0).all()):
        return False
    return float(box_iou(clipped[:1], clipped[1:])) >= SAME_IOU


def _covered(boxes: Tensor, labels: Tensor, piece: Tensor) -> Tensor:
    """Whether each box is a piece inside an entire object of its class: bool `(M,)`."""
    inside = box_iof(boxes, boxes) >= COVERED
    of_entire = (labels[:, None] == labels[None]) & ~piece[None]
    return piece & (inside & of_entire).any(dim=1)


def _union(boxes: Tensor) -> Tensor:
    return torch.cat([boxes[:, :2].amin(dim=0), boxes[:, 2:].amax(dim=0)])


def _unite(crops: Sequence[Crop]) -> Crop:
    """Merge masks into one."""
    shown = [crop for crop in crops if crop.mask.numel()] or crops[:1]
    if len(shown) == 1:
        return shown[0]
    top, left = min(crop.top for crop in shown), min(crop.left for crop in shown)
    bottom = max(crop.top + crop.mask.shape[0] for crop in shown)
    right = max(crop.left + crop.mask.shape[1] for crop in shown)
    united = torch.zeros(bottom - top, right - left, dtype=torch.bool)
    for crop in shown:
        y, x = crop.top - top, crop.left - left
        united[y : y + crop.mask.shape[0], x : x + crop.mask.shape[1]] |= crop.mask
    return Crop(top, left, united)


def paste_crops(crops: Sequence[Crop], size: tuple[int, int]) -> Tensor:
    """Paste crops into masks of the whole image, bool `(M, H, W)`.

    Args:
        crops: The masks.
        size: Height H and width W of the image in pixels.
    """
    masks = torch.zeros(len(crops), *size, dtype=torch.bool)
    for mask, crop in zip(masks, crops, strict=True):
        part = mask[crop.top :, crop.left :][: crop.mask.shape[0], : crop.mask.shape[1]]
        part |= crop.mask[: part.shape[0], : part.shape[1]]
    return masks
