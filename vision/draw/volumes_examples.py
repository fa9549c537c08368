"""Figures of predicted volumes: the ground truth above the prediction, subject by subject."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.draw.figure import DPI, INK, new_figure
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE_IN = 0.4


def draw_examples(examples: Iterable[tuple[str, Tensor]]) -> "Figure":
    """Put pictures of subjects below one another, in their own pixels.

    Args:
        examples: Title and picture, uint8 `(3, H, W)` RGB, of each; at least one.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples.
    """
    drawn = [(title, picture.permute(1, 2, 0).numpy()) for title, picture in examples]
    if not drawn:
        raise ConfigError("there are no volumes to draw.")
    heights = [picture.shape[0] / DPI + TITLE_IN for _, picture in drawn]
    width = max(picture.shape[1] for _, picture in drawn) / DPI
    figure = new_figure(width + 0.2, sum(heights) + 0.2)
    grid: Any = figure.subplots(
        len(drawn), 1, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, (title, picture) in zip(grid[:, 0], drawn, strict=True):
        axis.set_axis_off()
        axis.imshow(np.ascontiguousarray(picture), interpolation="antialiased")
        style = {"fontsize": 8, "pad": 3, "loc": "left", "fontweight": "bold"}
        axis.set_title(figure_line(title), color=INK, **style)
    return figure
