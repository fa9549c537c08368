"""Sweeps of a lidar seen from above: points coloured by their height, and oriented boxes.

Letters: P points, M boxes.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.boxes3d import LIDAR
from vision.draw.figure import class_color, font
from vision.draw.ramps import ramp_colors
from vision.draw.strokes import Color, Stroke, draw_line
from vision.draw.tags import Place, draw_tag, font_size, tag_size
from vision.draw.text import one_line
from vision.errors import ConfigError
from vision.ops.boxes3d import box_corners

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

# Longest side of a picture, and the shortest, in pixels.
LONG, SHORT = 960, 480
BACKGROUND, GRID, LETTERS = (17, 21, 28), (44, 51, 62), (150, 160, 172)
TRUE = (255, 255, 255)  # dashed
# From the ground upwards: lightness rises all the way.
HEIGHTS = ((30, 60, 130), (24, 128, 160), (78, 190, 140), (190, 220, 90), (255, 240, 160))
# Shares of the points that lie below the lowest colour and the highest one.
LOWEST, HIGHEST = 0.02, 0.98
# Distances between the lines of the grid, in metres; there are at most so many along a side.
STEPS, MAX_LINES = (1, 2, 5, 10, 20, 50), 9
MARGIN_M = 1.0
OUTSIDE = 0.03  # share of the points that may lie beyond each side
FARTHEST = 120.0  # metres from the lidar that are shown
BAR_PX = 140  # width of the scale of heights


class View(NamedTuple):
    """What is shown: x upwards, y to the left.

    Attributes:
        front: Largest x in metres.
        left: Largest y in metres.
        per_metre: Pixels.
        size: Width and height of the picture in pixels.
    """

    front: float
    left: float
    per_metre: float
    size: tuple[int, int]

    def pixels(self, places: np.ndarray) -> np.ndarray:
        """Columns and rows `(N, 2)` of places `(N, 2)` x, y in metres."""
        away: np.ndarray = np.array([self.left, self.front]) - places[:, ::-1]
        return away * self.per_metre


def draw_sweep(
    points: Tensor,
    boxes3d: Tensor,
    *,
    labels: Tensor,
    scores: Tensor | None = None,
    class_names: Sequence[str],
    palette: np.ndarray | None = None,
    truth: Tensor | None = None,
    side: int = LONG,
) -> np.ndarray:
    """Draw a sweep from above, forward upwards, with its boxes and their names.

    A line leads from the centre of a box through its front. True boxes are white and dashed.

    Args:
        points: `(P, C)`, x, y, z in metres first, in the frame `LIDAR`.
        boxes3d: `(M, 7)` in that frame.
        labels: int64 `(M,)` class index.
        scores: `(M,)`; None writes none.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.
        truth: `(N, 7)` true boxes; None if they are not known.
        side: Longest side of the picture in pixels.

    Returns:
        uint8 `(H, W, 3)` RGB.

    Raises:
        ConfigError: A label has no name.
    """
    from PIL import Image, ImageDraw

    places = points[:, :3].double().cpu().numpy()
    true = torch.zeros(0, 7) if truth is None else truth
    corners = [_corners(one).reshape(-1, 2) for one in (boxes3d, true)]
    view = fit_view(places[:, :2], np.concatenate(corners), side)
    pixels = np.full((view.size[1], view.size[0], 3), BACKGROUND, np.uint8)
    _draw_grid_lines(pixels, view)
    limits = _draw_points(pixels, view, places)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    _write_grid(draw, view)
    _draw_lidar(draw, view)
    width = max(2, round(max(view.size) / 400))
    colors = _colors(labels, class_names, palette)
    for box, color in zip(_corners(boxes3d), colors, strict=True):
        _draw_box(draw, view, box, color, Stroke(width))
    for box in _corners(true):
        _draw_box(draw, view, box, TRUE, Stroke(max(1, width // 2), dash=3 * width))
    _name_boxes(draw, view, boxes3d, _texts(labels, scores, class_names), colors)
    if limits is not None:
        _draw_scale(draw, view, limits)
    return np.asarray(picture)


def fit_view(points: np.ndarray, corners: np.ndarray, side: int = LONG) -> View:
    """The view that holds the lidar, most of the points, and boxes that are not too far away.

    Args:
        points: `(P, 2)` x, y in metres.
        corners: `(N, 2)`, of boxes.
        side: Longest side of the picture in pixels.
    """
    near = corners[np.isfinite(corners).all(axis=1) & (np.abs(corners) <= FARTHEST).all(axis=1)]
    places = [np.zeros((1, 2)), near]
    if len(points):
        places.append(np.quantile(points, [OUTSIDE, 1 - OUTSIDE], axis=0).clip(-FARTHEST, FARTHEST))
    whole = np.concatenate(places)
    low, high = whole.min(axis=0) - MARGIN_M, whole.max(axis=0) + MARGIN_M
    per_metre = side / float((high - low).max())
    height, width = (max(SHORT, round(extent * per_metre)) for extent in (high - low).tolist())
    # What is enlarged to the shortest side shows more of the ground on both sides.
    spare = np.array([height, width]) / per_metre - (high - low)
    front, left = (high + spare / 2).tolist()
    return View(front, left, per_metre, (width, height))


def _corners(boxes: Tensor) -> np.ndarray:
    """Corners of boxes `(M, 7)` on the ground, `(M, 4, 2)`: front left, front right, rear right."""
    whole: np.ndarray = box_corners(boxes.double().cpu(), LIDAR)[:, :4, :2].numpy()
    return whole


def _colors(labels: Tensor, class_names: Sequence[str], palette: np.ndarray | None) -> list[Color]:
    colors: list[Color] = []
    for label in labels.tolist():
        if not 0 <= label < len(class_names):
            raise ConfigError(
                f"class index {label} has no name: {len(class_names)} names were given."
            )
        red, green, blue = class_color(label) if palette is None else palette[label].tolist()
        colors.append((int(red), int(green), int(blue)))
    return colors


def _texts(labels: Tensor, scores: Tensor | None, class_names: Sequence[str]) -> list[str]:
    names = [one_line(class_names[label], 24) for label in labels.tolist()]
    if scores is None:
        return names
    return [f"{name} {score:.2f}" for name, score in zip(names, scores.tolist(), strict=True)]


def _draw_points(pixels: np.ndarray, view: View, places: np.ndarray) -> tuple[float, float] | None:
    """Draw points, higher ones on top; returns the heights of the ends of the ramp."""
    spots = view.pixels(places[:, :2]).round().astype(np.int64)
    size = view.size
    inside = ((spots >= 0) & (spots < np.array(size))).all(axis=1)
    if not inside.any():
        return None
    spots, heights = spots[inside], places[inside, 2]
    low, high = (float(value) for value in np.quantile(heights, [LOWEST, HIGHEST]))
    order = heights.argsort(kind="stable")
    colors = ramp_colors((heights[order] - low) / max(high - low, 1e-6), HEIGHTS)
    columns, rows = spots[order].T
    wide = 3 if size[0] * size[1] > 40 * len(spots) else 2
    for down in range(wide):
        for right in range(wide):
            row, column = (
                (rows + down).clip(max=size[1] - 1),
                (columns + right).clip(max=size[0] - 1),
            )
            pixels[row, column] = colors
    return low, high


def _grid_step(view: View) -> int:
    longest = max(view.size) / view.per_metre
    return next((step for step in STEPS if longest / step <= MAX_LINES), STEPS[-1])


def _grid_places(view: View, axis: int) -> list[tuple[int, int]]:
    """Metres from the lidar, and the row (axis 0) or column (axis 1), of each line of the grid."""
    step = _grid_step(view)
    high = (view.front, view.left)[axis]
    length = view.size[1 - axis]
    low = high - length / view.per_metre
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    places = [(n * step, round((high - n * step) * view.per_metre)) for n in numbers]
    return [(metres, place) for metres, place in places if 0 <= place < length]


def _draw_grid_lines(pixels: np.ndarray, view: View) -> None:
    for _, row in _grid_places(view, 0):
        pixels[row] = GRID
    for _, column in _grid_places(view, 1):
        pixels[:, column] = GRID


def _write_grid(draw: "ImageDraw", view: View) -> None:
    size_px = max(11, round(0.7 * font_size(view.size)))
    typeface = font(size_px, bold=False)
    for metres, row in _grid_places(view, 0):
        if metres and row > 2 * size_px:
            draw.text((4, row - size_px - 3), f"{metres} m", fill=LETTERS, font=typeface)


def _draw_lidar(draw: "ImageDraw", view: View) -> None:
    ((x, y),) = view.pixels(np.zeros((1, 2))).tolist()
    half = max(5.0, max(view.size) / 110)
    draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill=LETTERS)


def _draw_box(
    draw: "ImageDraw", view: View, corners: np.ndarray, color: Color, stroke: Stroke
) -> None:
    """The sides of a box, and a line from its centre through the middle of its front."""
    if not np.isfinite(corners).all():
        return
    places = view.pixels(corners)
    for i in range(4):
        draw_line(draw, (places[i], places[(i + 1) % 4]), color, stroke, size=view.size)
    middle, front = places.mean(axis=0), places[:2].mean(axis=0)
    draw_line(
        draw,
        (middle, middle + 1.4 * (front - middle)),
        color,
        stroke._replace(dash=0),
        size=view.size,
    )


def _name_boxes(
    draw: "ImageDraw", view: View, boxes: Tensor, texts: Sequence[str], colors: Sequence[Color]
) -> None:
    """Write names above boxes, below or beside them, hiding none if possible, in their order."""
    taken: list[Place] = []
    for corners, text, color in zip(_corners(boxes), texts, colors, strict=True):
        if not np.isfinite(corners).all():
            continue
        places = view.pixels(corners)
        (x1, y1), (x2, y2) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
        if x2 < 0 or y2 < 0 or x1 >= view.size[0] or y1 >= view.size[1]:
            continue
        width, height = tag_size(text, view.size)
        left, gap = round((x1 + x2 - width) / 2), 4
        wishes = [
            (left, round(y1) - height - gap),
            (left, round(y2) + gap),
            (round(x2) + gap, round((y1 + y2 - height) / 2)),
            (round(x1) - width - gap, round((y1 + y2 - height) / 2)),
        ]
        taken.append(draw_tag(draw, text, color, wishes=wishes, taken=taken, picture=view.size))


def _draw_scale(draw: "ImageDraw", view: View, limits: tuple[float, float]) -> None:
    """The ramp of heights with its ends, at the top on the right."""
    size_px = max(11, round(0.7 * font_size(view.size)))
    typeface = font(size_px, bold=False)
    thick, gap = max(6, size_px // 2), 6
    right, top = view.size[0] - 10, 10
    colors = ramp_colors(np.linspace(0, 1, BAR_PX), HEIGHTS)
    for i, (red, green, blue) in enumerate(colors.tolist()):
        x = right - BAR_PX + i
        draw.line([(x, top), (x, top + thick)], fill=(red, green, blue))
    low, high = (f"{value:.1f}" for value in limits)
    y = top + thick + gap
    draw.text((right - BAR_PX, y), low, fill=LETTERS, font=typeface)
    text = f"{high} m"
    draw.text((right - draw.textlength(text, font=typeface), y), text, fill=LETTERS, font=typeface)
