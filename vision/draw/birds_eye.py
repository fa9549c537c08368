"""Boxes in space seen from above: a grid in metres, headings, and what the camera sees.

Letters: M boxes, P points.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from torch import Tensor

from vision.contracts.boxes3d import CAMERA
from vision.draw.figure import font
from vision.draw.strokes import Color, Stroke, draw_line
from vision.draw.tags import font_size
from vision.ops.boxes3d import box_corners

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

BACKGROUND, SEEN = (236, 238, 241), (255, 255, 255)
GRID, LETTERS, POINTS = (214, 218, 223), (110, 118, 128), (150, 156, 164)
# What is shown lies between these distances ahead of the camera, in metres: boxes that are farther
# away are not drawn.
NEAREST, FARTHEST = 20.0, 100.0
BEHIND = 0.06  # share of the height that lies behind the camera
WIDEST, NARROWEST = 1.25, 0.7  # width of the view over its height
MARGIN_M = 4.0  # beyond the centre of a box
# Distances between the lines of the grid, in metres; there are at most so many lines ahead.
STEPS, MAX_LINES = (5, 10, 20), 7


class Seen(NamedTuple):
    """Boxes that are drawn in one stroke.

    Attributes:
        boxes: `(M, 7)` in the frame `CAMERA`.
        colors: RGB of each.
        stroke: How their sides are drawn.
    """

    boxes: Tensor
    colors: Sequence[Color]
    stroke: Stroke


def draw_birds_eye(
    seen: Sequence[Seen],
    projection: Tensor,
    width_px: int,
    *,
    height: int,
    points: Tensor | None = None,
) -> np.ndarray:
    """Draw boxes from above, the camera at the bottom, with the area that it sees in white.

    Args:
        seen: Boxes, the last ones on top.
        projection: `(3, 4)`, from the frame `CAMERA` to pixels of the image.
        width_px: Width of the image.
        height: Height of the view in pixels.
        points: `(P, 3)`, such as of a lidar, in the frame `CAMERA`; None draws none.

    Returns:
        uint8 `(height, width, 3)` RGB.
    """
    from PIL import Image, ImageDraw

    view = _fit([one.boxes for one in seen], height)
    picture = Image.new("RGB", (view.width, height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    _draw_field(draw, view, projection, width_px)
    _draw_grid(draw, view)
    if points is not None:
        draw.point(view.pixels(points[:, [0, 2]]), fill=POINTS)
    line = max(1, round(height / 300))
    for one in seen:
        corners = box_corners(one.boxes.double().cpu(), CAMERA)[:, :4]
        for corner, color in zip(corners, one.colors, strict=True):
            _draw_box(draw, view, corner[:, [0, 2]], color, one.stroke._replace(width=line))
    _draw_camera(draw, view)
    return np.asarray(picture)


class _View(NamedTuple):
    """The area that is shown: its size in pixels, and the camera's place in it."""

    width: int
    height: int
    per_metre: float

    @property
    def camera(self) -> tuple[float, float]:
        return self.width / 2, self.height * (1 - BEHIND)

    def pixels(self, ground: Tensor) -> list[tuple[float, float]]:
        """Columns and rows of places `(N, 2)` right and ahead of the camera, in metres."""
        x, y = self.camera
        places = ground.double().cpu().numpy() * self.per_metre
        return [(x + right, y - ahead) for right, ahead in places.tolist()]


def _fit(boxes: Sequence[Tensor], height: int) -> _View:
    """The view that holds boxes."""
    places = np.concatenate([np.zeros((0, 2)), *(_places(one) for one in boxes)])
    places = places[np.isfinite(places).all(axis=1) & (places[:, 1] > 0)]
    far = float(np.abs(places[:, 1]).max(initial=0)) + MARGIN_M
    far = min(max(far, NEAREST), FARTHEST)
    per_metre = height * (1 - BEHIND) / far
    shown = places[places[:, 1] <= far]
    side = float(np.abs(shown[:, 0]).max(initial=0)) + MARGIN_M
    width = min(max(2 * side * per_metre, NARROWEST * height), WIDEST * height)
    return _View(round(width), height, per_metre)


def _places(boxes: Tensor) -> np.ndarray:
    return boxes[:, [0, 2]].double().cpu().numpy()


def _draw_field(draw: "ImageDraw", view: _View, projection: Tensor, width_px: int) -> None:
    """White where the camera sees, between the rays through the sides of the image."""
    matrix = projection.double().cpu().numpy()
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:, :3])) < 1e-12:
        return
    # The plane of the points that are seen at a column u is (first row - u * third row) of the
    # projection; on the height of the camera it is a line, whose direction leads ahead.
    x, y = view.camera
    reach = 4.0 * view.height
    corners = [(x, y)]
    for u in (0.0, float(width_px)):
        right, _, ahead, _ = matrix[0] - u * matrix[2]
        length = math.hypot(right, ahead) or 1.0
        sign = 1.0 if right >= 0 else -1.0
        corners.append((x - sign * reach * ahead / length, y - sign * reach * right / length))
    draw.polygon(corners, fill=SEEN)


def _draw_grid(draw: "ImageDraw", view: _View) -> None:
    far = view.camera[1] / view.per_metre
    step = next((step for step in STEPS if far / step <= MAX_LINES), STEPS[-1])
    size_px = max(10, round(0.7 * font_size((view.width, view.height))))
    typeface = font(size_px, bold=False)
    x, y = view.camera
    for number in range(-math.floor(x / view.per_metre / step), math.ceil(far / step) + 1):
        across = x + number * step * view.per_metre
        if across <= view.width:
            draw.line([(across, 0), (across, view.height)], fill=GRID)
        row = y - number * step * view.per_metre
        if number >= 0:
            draw.line([(0, row), (view.width, row)], fill=GRID)
        if number > 0 and row > size_px:
            draw.text((3, row - size_px - 3), f"{number * step} m", fill=LETTERS, font=typeface)


def _draw_box(
    draw: "ImageDraw", view: _View, corners: Tensor, color: Color, stroke: Stroke
) -> None:
    """The sides of a box, and a line from its centre through the middle of its front."""
    if not corners.isfinite().all():
        return
    places = np.array(view.pixels(corners))  # front left, front right, rear right, rear left
    size = view.width, view.height
    for i in range(4):
        draw_line(draw, (places[i], places[(i + 1) % 4]), color, stroke, size=size)
    middle, front = places.mean(axis=0), places[:2].mean(axis=0)
    tip = middle + 1.5 * (front - middle)
    draw_line(draw, (middle, tip), color, stroke._replace(dash=0), size=size)


def _draw_camera(draw: "ImageDraw", view: _View) -> None:
    x, y = view.camera
    half = max(4.0, view.height / 70)
    draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=LETTERS)
