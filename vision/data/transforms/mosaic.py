"""Mosaic: four images around a random centre.

"YOLOv4: Optimal Speed and Accuracy of Object Detection", Bochkovskiy et al., 2020, arXiv
2004.10934, section 3.3, in the form of "YOLOX: Exceeding YOLO Series in 2021", Ge et al., 2021,
arXiv 2107.08430, section 2.1: the four images lie on a canvas of twice the side of the result,
which is then scaled, shifted and cut at random. The rotation of up to 10 degrees and the shear of
up to 2 that follow there are left out, as they make boxes looser than their objects.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.data.transforms.crops import Box
from vision.data.transforms.geometry import Geometry, Size
from vision.data.transforms.objects import MappedObjects, join_objects
from vision.data.transforms.rng import SampleRng

# The quarters of the canvas: whether it is the lower one, and the right one.
QUARTERS = ((False, False), (False, True), (True, False), (True, True))
# The centre lies between these shares of the canvas's half side from its edge.
CENTRE = (0.5, 1.5)
# Maximum shift of the canvas, in shares of the side of the result.
SHIFT = 0.1

Span = tuple[float, float]  # first and last coordinate along an axis


class Mosaic(NamedTuple):
    """The layout of a mosaic in the square that it makes.

    Attributes:
        side: Side of the square in pixels.
        scale: Pixels of the square per pixel of the canvas, on which each image fits into a square
            of this side.
        edges: First and last coordinate of the canvas in the square, down and across.
        centre: Coordinates of the corner that the four images share, down and across.
    """

    side: int
    scale: float
    edges: tuple[Span, Span]
    centre: tuple[float, float]

    def quarter(self, lower: bool, right: bool) -> tuple[Span, Span]:
        """What the square shows of a quarter: spans down and across, empty if first >= last."""
        spans = []
        for beyond, edges, centre in zip((lower, right), self.edges, self.centre, strict=True):
            first, last = (centre, edges[1]) if beyond else (edges[0], centre)
            spans.append((max(first, 0.0), min(last, float(self.side))))
        return spans[0], spans[1]

    def shows(self, lower: bool, right: bool) -> bool:
        """Whether any pixel of a quarter lies in the square."""
        return all(round(first) < round(last) for first, last in self.quarter(lower, right))


class Tile(NamedTuple):
    """One image of a mosaic.

    Attributes:
        corner: Top and left pixel of its visible part in the square.
        geometry: The map from the image to its visible part.
    """

    corner: Size
    geometry: Geometry


def sample_mosaic(side: int, scale: tuple[float, float], rng: SampleRng) -> Mosaic:
    """Sample the layout of a mosaic.

    Args:
        side: Side of the result in pixels.
        scale: Minimum and maximum scale of the canvas; at 0.5 all of it fits into the result.
        rng: Random numbers of the sample.
    """
    centre = [rng.uniform(*CENTRE) * side for _ in range(2)]
    factor = rng.uniform(*scale)
    edges, shared = [], []
    for place in centre:
        middle = side / 2 + rng.uniform(-SHIFT, SHIFT) * side
        edges.append((middle - factor * side, middle + factor * side))
        shared.append(middle + factor * (place - side))
    return Mosaic(side, factor, (edges[0], edges[1]), (shared[0], shared[1]))


def make_tile(layout: Mosaic, lower: bool, right: bool, size: Size, *, flip: bool) -> Tile | None:
    """The place of an image in a quarter of a mosaic.

    The image is resampled once, from the pixels that are seen of it.

    Args:
        layout: The mosaic.
        lower: Whether the quarter is one of the lower two.
        right: Whether it is one of the right two.
        size: Height and width of the image in pixels.
        flip: Whether the image is flipped horizontally.

    Returns:
        The tile; None if no pixel of the image is seen.
    """
    factor = layout.scale * layout.side / max(size)
    parts = []
    quarter = layout.quarter(lower, right)
    for axis, beyond in enumerate((lower, right)):
        length = size[axis] * factor
        start = layout.centre[axis] - (0.0 if beyond else length)
        first = round(max(quarter[axis][0], start))
        last = round(min(quarter[axis][1], start + length))
        if first >= last:
            return None
        parts.append((first, last, *_source(first - start, last - start, factor, size[axis])))
    (top, bottom, upper, lowest), (left, right_edge, leftmost, rightmost) = parts
    if flip:  # the geometry mirrors the window after it is cut
        leftmost, rightmost = size[1] - rightmost, size[1] - leftmost
    window = Box(upper, leftmost, lowest - upper, rightmost - leftmost)
    shown = (bottom - top, right_edge - left)
    return Tile((top, left), Geometry(size, window, shown, flip, shown))


def _source(first: float, last: float, factor: float, length: int) -> tuple[int, int]:
    """The pixels of a file, at least one, that a span of its scaled image shows."""
    start = min(max(round(first / factor), 0), length - 1)
    return start, min(max(round(last / factor), start + 1), length)


def paste_tiles(
    layout: Mosaic,
    tiles: list[tuple[Tile, Tensor, MappedObjects]],
    fill: tuple[int, int, int],
    *,
    masks: bool,
) -> tuple[Tensor, MappedObjects]:
    """Put the images of a mosaic together.

    Args:
        layout: The mosaic.
        tiles: The tiles, with image and objects of each in the pixels of its visible part.
        fill: Colour (R, G, B), 0..255, of the rest.
        masks: Whether objects have masks.

    Returns:
        The image, uint8 `(3, side, side)`, and all objects in its pixels.
    """
    side = layout.side
    image = np.empty((3, side, side), dtype=np.uint8)
    image[:] = np.array(fill, dtype=np.uint8)[:, None, None]
    for tile, pixels, _ in tiles:
        (top, left), (height, width) = tile.corner, tile.geometry.size
        image[:, top : top + height, left : left + width] = pixels.numpy()
    placed = [(objects, tile.corner) for tile, _, objects in tiles]
    return torch.from_numpy(image), join_objects(placed, (side, side), masks=masks)
