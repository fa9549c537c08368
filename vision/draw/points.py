"""Pictures of labelled points: views of a cloud in its colours and in those of its classes.

Letters: P points, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.contracts.points import IGNORED
from vision.draw.clouds import BACK, BACKGROUND, FRONT, View, render_cloud, walls_before
from vision.draw.figure import font
from vision.draw.palette import GREY, RED
from vision.draw.pixels import to_tensor
from vision.draw.segmentation import class_palette
from vision.draw.text import one_line
from vision.errors import ConfigError

SIDE = 480  # pixels of a view
PLAIN = (168, 172, 178)  # of points without colours
PALE = 0.75  # share of white in points that are right
INK, FAINT = (31, 41, 51), (100, 108, 118)
MAX_NAMED = 40
VIEWS = (FRONT, BACK)


class Panel(NamedTuple):
    """One way to colour a cloud.

    Attributes:
        title: Written above its view.
        colors: uint8 `(P, 3)` RGB.
    """

    title: str
    colors: np.ndarray


def label_colors(labels: np.ndarray, palette: np.ndarray | None = None) -> np.ndarray:
    """The colour of the class of each point.

    Args:
        labels: Integers `(P,)`, class index or `IGNORED`.
        palette: uint8 `(K, 3)` RGB of each class; None uses ours.

    Returns:
        uint8 `(P, 3)`; points without a class are grey.

    Raises:
        ConfigError: A class has no colour.
    """
    own = class_palette(IGNORED) if palette is None else palette
    known = (labels >= 0) & (labels < len(own)) | (labels == IGNORED)
    if not known.all():
        raise ConfigError(
            f"class index {labels[~known][0]} has no colour: {len(own)} colours were given."
        )
    table = np.full((IGNORED + 1, 3), GREY, np.uint8)
    table[: len(own)] = own
    table[IGNORED] = GREY
    return table[labels]


def error_colors(found: np.ndarray, truth: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Wrong points in red, among pale ones.

    Args:
        found: Integers `(P,)`, class index.
        truth: Integers `(P,)`, class index or `IGNORED`.
        colors: uint8 `(P, 3)` RGB.

    Returns:
        uint8 `(P, 3)`; points that do not count are grey.
    """
    grey = colors.astype(np.float32).mean(axis=1, keepdims=True).repeat(3, axis=1)
    drawn = PALE * 255 + (1 - PALE) * grey
    drawn[found != truth] = RED
    drawn[truth == IGNORED] = GREY
    return drawn.round().astype(np.uint8)


def own_colors(points: np.ndarray, colors: np.ndarray | None) -> np.ndarray:
    """The colours of points, or one colour where they have none: uint8 `(P, 3)`."""
    return np.full(points.shape, PLAIN, np.uint8) if colors is None else colors


def draw_panels(
    points: np.ndarray,
    panels: Sequence[Panel],
    *,
    views: Sequence[View] = VIEWS,
    side: int = SIDE,
) -> Tensor:
    """Draw a row for each view, with the panels beside one another.

    Args:
        points: float `(P, 3)`, x, y and z with z up.
        panels: The colourings; at least one.
        views: Where the eye is in each row.
        side: Width and height of a view in pixels.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    rows = []
    for view in views:
        cut = walls_before(points, view)
        row = [render_cloud(points, one.colors, view, side=side, cut=cut) for one in panels]
        rows.append(np.concatenate(row, axis=1))
    titles = [one.title for one in panels]
    head = [_titles(titles, side)] if any(titles) else []
    return to_tensor(np.concatenate([*head, *rows]))


def draw_labels(
    points: np.ndarray,
    colors: np.ndarray | None,
    labels: np.ndarray,
    *,
    names: Sequence[str] = (),
    palette: np.ndarray | None = None,
    side: int = SIDE,
) -> Tensor:
    """Draw the classes of a cloud from two sides, with its own colours above, and a legend.

    Args:
        points: float `(P, 3)`, x, y and z with z up.
        colors: uint8 `(P, 3)` RGB of the points; None draws the classes alone.
        labels: Integers `(P,)`, class index or `IGNORED`.
        names: Name of each class by index.
        palette: uint8 `(K, 3)` RGB of each class; None uses ours.
        side: Width and height of a view in pixels.

    Returns:
        uint8 `(3, H, W)` RGB.
    """
    classes = label_colors(labels, palette)
    drawn = [classes] if colors is None else [colors, classes]
    rows = []
    for one in drawn:
        parts = [
            render_cloud(points, one, view, side=side, cut=walls_before(points, view))
            for view in VIEWS
        ]
        rows.append(np.concatenate(parts, axis=1))
    picture = to_tensor(np.concatenate(rows))
    return with_legend(picture, legend_of([labels], names, palette))


def draw_comparison(
    points: np.ndarray,
    colors: np.ndarray | None,
    truth: np.ndarray,
    found: np.ndarray,
    *,
    names: Sequence[str] = (),
    palette: np.ndarray | None = None,
    side: int = SIDE,
) -> Tensor:
    """Draw points, ground truth, prediction and errors beside one another, from two sides.

    Args:
        points: float `(P, 3)`, x, y and z with z up.
        colors: uint8 `(P, 3)` RGB of the points; None for one colour.
        truth: Integers `(P,)`, class index or `IGNORED`.
        found: Integers `(P,)`, class index.
        names: As in `draw_labels`.
        palette: Likewise.
        side: Likewise.

    Returns:
        uint8 `(3, H, W)` RGB, with a legend.
    """
    own = own_colors(points, colors)
    panels = [
        Panel("points", own),
        Panel("ground truth", label_colors(truth, palette)),
        Panel("prediction", label_colors(found, palette)),
        Panel("errors", error_colors(found, truth, own)),
    ]
    picture = draw_panels(points, panels, side=side)
    return with_legend(picture, legend_of([truth, found], names, palette))


class Entry(NamedTuple):
    """A class in a legend: its name and its colour, RGB."""

    name: str
    color: tuple[int, int, int]


def legend_of(
    labels: Sequence[np.ndarray], names: Sequence[str], palette: np.ndarray | None = None
) -> list[Entry]:
    """The classes of some labels, the most frequent first, and the ignored points last.

    Args:
        labels: Integers `(P,)` each, class index or `IGNORED`.
        names: Name of each class by index; without it, its index.
        palette: As in `label_colors`.
    """
    counts = np.bincount(np.concatenate([*labels, np.zeros(0, np.int64)]), minlength=IGNORED + 1)
    ordered = sorted(np.flatnonzero(counts[:IGNORED]).tolist(), key=lambda k: (-counts[k], k))
    shown = ordered[:MAX_NAMED]
    colors = label_colors(np.array([*shown, IGNORED]), palette).tolist()
    entries = [
        Entry(one_line(names[k] if k < len(names) else str(k), 24), (color[0], color[1], color[2]))
        for k, color in zip(shown, colors, strict=False)
    ]
    return [*entries, Entry("ignored", GREY)] if counts[IGNORED] else entries


def with_legend(picture: Tensor, entries: Sequence[Entry]) -> Tensor:
    """A picture with the names of its colours below.

    Args:
        picture: uint8 `(3, H, W)` RGB.
        entries: The classes.

    Returns:
        uint8 `(3, H', W)`.
    """
    from PIL import Image, ImageDraw

    if not entries:
        return picture
    width = picture.shape[2]
    size = max(11, min(18, width // 48))
    typeface = font(size, bold=False)
    places, x, row = [], size, 0
    for one in entries:
        needed = round(2.8 * size + typeface.getlength(one.name))
        if x > size and x + needed > width:
            x, row = size, row + 1
        places.append((x, row))
        x += needed
    line = round(1.7 * size)
    sheet = Image.new("RGB", (width, (row + 1) * line + size // 2), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for one, (left, number) in zip(entries, places, strict=True):
        top = number * line + size // 3
        draw.rectangle((left, top, left + size - 1, top + size - 1), fill=one.color)
        where = (left + 1.4 * size, top + 0.9 * size)
        draw.text(where, one.name, fill=INK, font=typeface, anchor="ls")
    return torch.cat([picture, to_tensor(np.asarray(sheet))], dim=1)


def _titles(titles: Sequence[str], side: int) -> np.ndarray:
    """The names of panels of a width, above them."""
    from PIL import Image, ImageDraw

    size = max(11, side // 26)
    sheet = Image.new("RGB", (side * len(titles), 2 * size), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, title in enumerate(titles):
        place = (number * side + side / 2, 1.5 * size)
        draw.text(place, one_line(title), fill=FAINT, font=font(size, bold=False), anchor="ms")
    return np.asarray(sheet)
