"""A figure with a row for each example: pictures of one size beside one another."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.draw.figure import INK, new_figure
from vision.draw.pixels import fit_figure, join_pictures
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL_IN = 2.8  # width of a picture in a figure, in inches


def draw_rows(rows: Iterable[tuple[str, Sequence[Tensor]]], columns: Sequence[str]) -> "Figure":
    """Draw a row for each example, with its title above it.

    Args:
        rows: Title and pictures, uint8 `(3, H, W)` RGB, of each; at least one. Only one is held in
            its full size at a time.
        columns: Name of each picture; the first is not written, since the title stands there.

    Returns:
        A figure for `save_png`, with room below for a legend.

    Raises:
        ConfigError: There are no rows.
    """
    drawn = [
        (title, join_pictures([fit_figure(picture) for picture in pictures]))
        for title, pictures in rows
    ]
    if not drawn:
        raise ConfigError("there are no images to draw.")
    heights = [CELL_IN * picture.shape[0] / picture.shape[1] * len(columns) for _, picture in drawn]
    figure = new_figure(CELL_IN * len(columns), sum(heights) + 0.35 * len(drawn) + 0.8)
    grid: Any = figure.subplots(
        len(drawn), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, (title, picture) in zip(grid[:, 0], drawn, strict=True):
        _draw_row(axis, title, picture, columns)
    return figure


def _draw_row(axis: Any, title: str, picture: np.ndarray, columns: Sequence[str]) -> None:
    axis.set_axis_off()
    small = picture.shape[1] < 4 * 256
    axis.imshow(picture, interpolation="nearest" if small else "antialiased")
    style = {"fontsize": 8, "pad": 3, "loc": "left", "fontweight": "bold"}
    axis.set_title(figure_line(title), color=INK, **style)
    for place, column in enumerate(columns[1:], start=2):
        right = place / len(columns)
        style = {"color": INK, "fontsize": 8, "ha": "right", "va": "bottom"}
        axis.text(right, 1.01, column, transform=axis.transAxes, **style)
