"""Pictures of boxes in space: wires on the image, beside the same boxes seen from above.

Letters: M boxes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, CENTRE, SIZE
from vision.contracts.detection3d import OTHER, Boxes3DTruth
from vision.draw.birds_eye import Seen, draw_birds_eye
from vision.draw.figure import INK, class_color, new_figure, shade
from vision.draw.pixels import to_pixels
from vision.draw.strokes import Color, Stroke, clip_line, draw_line
from vision.draw.tags import Place, draw_tag, enlarge, enlargement, tag_size
from vision.draw.text import figure_line, one_line
from vision.errors import ConfigError
from vision.ops.box_projection import EDGES, project_segments
from vision.ops.boxes3d import box_corners

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.ImageDraw import ImageDraw

GAP = 8  # pixels between the image and the view from above
# The diagonals of the front, by the order of `box_corners`: where a box looks is seen by them.
FRONT = ((0, 5), (1, 4))
# Height of the view from above, over the width of a panorama.
PANORAMA = 0.4
# True objects: dashed, dark on light ground and light on a photograph.
DARK, LIGHT = (31, 41, 51), (255, 255, 255)


def draw_boxes3d(
    image: Tensor,
    boxes3d: Tensor,
    projection: Tensor,
    *,
    labels: Tensor,
    scores: Tensor | None = None,
    class_names: Sequence[str],
    palette: np.ndarray | None = None,
    truth: Boxes3DTruth | None = None,
) -> np.ndarray:
    """Draw boxes on their image, and beside it from above.

    Fronts have diagonals. True objects are dashed; those of other classes are left out. From above,
    a line leads from the centre of a box through its front, and white is what the camera sees.

    Args:
        image: uint8 `(3, H, W)` RGB.
        boxes3d: `(M, 7)` in the frame `CAMERA`.
        projection: `(3, 4)`, from that frame to pixels of the image.
        labels: int64 `(M,)` class index.
        scores: `(M,)`; None writes none.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None uses ours.
        truth: True objects of the image; None if they are not known.

    Returns:
        uint8 `(H', W', 3)` RGB: the image, enlarged by a whole number if its long side is below 512
        pixels, and the view beside it, which is higher than a panorama.

    Raises:
        ConfigError: The image is not uint8 `(3, H, W)`, or a label has no name.
    """
    found = _marks(boxes3d, labels, scores, class_names, palette)
    known = true_boxes(truth)
    wires = draw_wires(image, found, projection, known)
    height = max(wires.shape[0], round(PANORAMA * wires.shape[1]))
    stroke, dashed = Stroke(1), Stroke(1, dash=max(3, height // 100))
    above = draw_birds_eye(
        [
            Seen(boxes3d, [mark.color for mark in found], stroke),
            Seen(known, [DARK] * len(known), dashed),
        ],
        projection,
        image.shape[2],
        height=height,
    )
    picture = np.full((height, wires.shape[1] + GAP + above.shape[1], 3), 255, np.uint8)
    top = (height - wires.shape[0]) // 2
    picture[top : top + wires.shape[0], : wires.shape[1]] = wires
    picture[:, wires.shape[1] + GAP :] = above
    return picture


def draw_examples(pictures: Sequence[tuple[str, np.ndarray]]) -> "Figure":
    """Draw pictures under one another.

    Args:
        pictures: Title and result of `draw_boxes3d` of at least one image.

    Returns:
        A figure for `save_png`.
    """
    ratio = float(np.median([picture.shape[0] / picture.shape[1] for _, picture in pictures]))
    width = 11.0  # inches
    figure = new_figure(width, (width * ratio + 0.4) * len(pictures))
    axes = figure.subplots(len(pictures), 1, squeeze=False).flat
    for axis, (title, picture) in zip(axes, pictures, strict=True):
        axis.set_axis_off()
        axis.imshow(picture, interpolation="antialiased")
        axis.set_title(figure_line(title), color=INK, fontsize=10, pad=4)
    return figure


class Mark(NamedTuple):
    """A box as drawn.

    Attributes:
        box: `(7,)`.
        text: Its name.
        color: RGB.
    """

    box: Tensor
    text: str
    color: Color


def draw_wires(
    image: Tensor, marks: Sequence[Mark], projection: Tensor, truth: Tensor
) -> np.ndarray:
    """Draw the edges of boxes on an image, cut where they pass the camera, and their names.

    Args:
        image: uint8 `(3, H, W)` RGB.
        marks: Boxes in the frame `CAMERA`.
        projection: `(3, 4)`, from that frame to pixels of the image.
        truth: `(N, 7)`, boxes that are dashed.

    Returns:
        uint8 `(H', W', 3)`, the image, enlarged by a whole number if it is small.

    Raises:
        ConfigError: The image is not uint8 `(3, H, W)`.
    """
    from PIL import Image, ImageDraw

    to_pixels(image[:, :1, :1])  # says what is wrong with it
    factor = enlargement(image.shape[1:])
    pixels = enlarge(image, factor).permute(1, 2, 0).contiguous().numpy()
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    own = projection.double().cpu() * torch.tensor([[factor], [factor], [1.0]], dtype=torch.float64)
    width = max(2, round(max(picture.size) / 600))
    marks = sorted(marks, key=lambda mark: -float(mark.box[CENTRE][2]))  # near ones on top
    canvas = _Canvas(draw, picture.size, own)
    places = [_draw_edges(canvas, mark.box, mark.color, Stroke(width)) for mark in marks]
    for box in truth:
        _draw_edges(canvas, box, LIGHT, Stroke(max(1, width // 2), dash=4 * width))
    taken: list[Place] = []
    for mark, place in reversed(list(zip(marks, places, strict=True))):
        if place is not None:
            taken.append(_tag(draw, mark, place, taken, picture.size))
    return np.asarray(picture)


def _marks(
    boxes: Tensor,
    labels: Tensor,
    scores: Tensor | None,
    class_names: Sequence[str],
    palette: np.ndarray | None,
) -> list[Mark]:
    seen: Counter[int] = Counter()
    marks = []
    for i, label in enumerate(labels.tolist()):
        if not 0 <= label < len(class_names):
            raise ConfigError(
                f"class index {label} has no name: {len(class_names)} names were given."
            )
        name = one_line(class_names[label], 24)
        text = name if scores is None else f"{name} {float(scores[i]):.2f}"
        if palette is None:
            color = class_color(label, seen[label])
        else:
            red, green, blue = palette[label].tolist()
            color = shade((red, green, blue), seen[label])
        seen[label] += 1
        marks.append(Mark(boxes[i].double().cpu(), text, color))
    return marks


def true_boxes(truth: Boxes3DTruth | None) -> Tensor:
    """The true objects that are drawn.

    Args:
        truth: What is annotated; None for nothing.

    Returns:
        float64 `(N, 7)`, those of the classes that have a place in space.
    """
    if truth is None:
        return torch.zeros(0, 7, dtype=torch.float64)
    boxes = truth["boxes3d"].double().cpu()
    kept = (truth["labels"].cpu() != OTHER) & (boxes[:, SIZE] > 0).all(dim=1)
    return boxes[kept]


class _Canvas(NamedTuple):
    """A picture: its width and height, and the projection to its pixels."""

    draw: "ImageDraw"
    size: tuple[int, int]
    projection: Tensor


def _draw_edges(
    canvas: _Canvas, box: Tensor, color: Color, stroke: Stroke
) -> tuple[int, int, int, int] | None:
    """Draw a box; returns the rectangle of what is seen of it, None if it is nothing."""
    corners = box_corners(box, CAMERA)
    edges = (*EDGES, *FRONT)
    ends, seen = project_segments(corners, canvas.projection, edges)
    drawn: list[np.ndarray] = []
    for i, (start, end) in enumerate(ends.numpy()):
        inside = clip_line(start, end, canvas.size) if seen[i] else None
        if inside is None:
            continue
        drawn += inside
        thin = i >= len(EDGES)
        own = stroke._replace(width=max(1, stroke.width // 2)) if thin else stroke
        draw_line(canvas.draw, (start, end), color, own, size=canvas.size)
    if not drawn:
        return None
    x1, y1 = np.min(drawn, axis=0).round().astype(int).tolist()
    x2, y2 = np.max(drawn, axis=0).round().astype(int).tolist()
    return x1, y1, x2, y2


def _tag(
    draw: "ImageDraw",
    mark: Mark,
    box: tuple[int, int, int, int],
    taken: Sequence[Place],
    size: tuple[int, int],
) -> Place:
    """Write the name above or below the box, hiding no other name if possible."""
    width, height = tag_size(mark.text, size)
    x1, y1, x2, y2 = box
    # Above it is seldom another object.
    wishes = [(x1, y1 - k * height) for k in (1, 2, 3)] + [(x1, y2), (x2 - width, y2)]
    return draw_tag(draw, mark.text, mark.color, wishes=wishes, taken=taken, picture=size)
