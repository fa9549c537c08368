"""Lines of pictures, whole or dashed, which may begin and end far outside."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Color = tuple[int, int, int]


class Stroke(NamedTuple):
    """How a line is drawn.

    Attributes:
        width: In pixels.
        dash: Length of a dash and of the gap after it, in pixels; 0 for a whole line.
    """

    width: int
    dash: int = 0


def draw_line(
    draw: "ImageDraw",
    ends: tuple[np.ndarray, np.ndarray],
    color: Color,
    stroke: Stroke,
    *,
    size: tuple[int, int],
) -> None:
    """Draw a line.

    Args:
        draw: The picture.
        ends: Column and row in pixels, `(2,)` each, anywhere.
        color: RGB.
        stroke: How.
        size: Width and height of the picture.
    """
    inside = clip_line(*ends, size, stroke.width)
    if inside is None:
        return
    start, end = inside
    length = float(np.linalg.norm(end - start))
    pieces = max(1, round((length / stroke.dash + 1) / 2)) if stroke.dash else 1
    # Dashes and the gaps between them fill the line, so that both of its ends are drawn.
    part = (end - start) / (2 * pieces - 1)
    for i in range(pieces):
        first = start + 2 * i * part
        draw.line([tuple(first), tuple(first + part)], fill=color, width=stroke.width)


def clip_line(
    start: np.ndarray, end: np.ndarray, size: tuple[int, int], border: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """The part of a line that lies in a picture.

    Args:
        start: Column and row `(2,)`.
        end: Likewise.
        size: Width and height of the picture.
        border: Pixels around the picture that belong to it.

    Returns:
        Both ends; None if the line passes the picture by, or is not finite.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        return None
    step = end - start
    low, high = 0.0, 1.0
    for axis in (0, 1):
        first, last = -border - start[axis], size[axis] + border - start[axis]
        if step[axis] == 0:
            if first > 0 or last < 0:
                return None
            continue
        enter, leave = sorted((first / step[axis], last / step[axis]))
        low, high = max(low, enter), min(high, leave)
    return (start + low * step, start + high * step) if low <= high else None
