"""Pictures of classification: example predictions and confusion matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.draw.figure import FAINT, INK, RIGHT, WRONG, new_figure, text_width_in
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# Legible matrices: with more classes than the first number only the most confused are shown, with
# more than the second cells have no numbers.
MAX_CLASSES = 30
MAX_NUMBERED = 20
MATRIX_IN = 5.0  # width of a matrix in its figure, in inches, at the least
# Of the grid of images: letters of a name, size of its type in points, and inches between two.
MAX_NAME, CELL_FONT, CELL_GAP_IN = 24, 9, 0.1


@dataclass(frozen=True)
class ClassifiedImage:
    """An image with its true and its predicted class.

    Attributes:
        image: uint8 `(3, H, W)` RGB.
        label: True class index.
        predicted: Class index with the highest score.
        score: Its probability, in [0, 1].
        num_classes: Number of classes.
    """

    image: Tensor
    label: int
    predicted: int
    score: float
    num_classes: int


def draw_classification(
    images: Sequence[ClassifiedImage], counts: Tensor, class_names: Sequence[str]
) -> "Figure":
    """Draw example predictions on the left and the confusion matrix on the right.

    Args:
        images: The examples, in the order in which they are shown; at least one.
        counts: int64 `(K, K)`: images of class `row` that were predicted as class `column`.
        class_names: Name of each class, by index.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or the sizes do not agree.
    """
    figure = new_figure(15.0, 7.6)
    panels: Any = figure.subfigures(1, 2, width_ratios=(1.0, 0.95))
    _fill_grid(panels[0], images, class_names)
    _fill_confusion(panels[1], counts, class_names)
    return figure


def draw_predictions(images: Sequence[ClassifiedImage], class_names: Sequence[str]) -> "Figure":
    """Draw a grid of images with their predictions; mistakes are framed in red.

    Args:
        images: At least one.
        class_names: Name of each class, by index.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no images.
    """
    figure = new_figure(8.0, 8.0)
    _fill_grid(figure, images, class_names)
    return figure


def _fill_grid(
    figure: "Figure | SubFigure", images: Sequence[ClassifiedImage], class_names: Sequence[str]
) -> None:
    if not images:
        raise ConfigError("there are no images to draw.")
    columns = min(6, len(images))
    rows = -(-len(images) // columns)
    wrong = sum(image.predicted != image.label for image in images)
    first = f", mistakes first ({wrong})" if wrong else ""
    figure.suptitle(f"Predictions{first}", color=INK, fontsize=14, fontweight="bold")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    room_in = figure.bbox.width / figure.dpi / columns - CELL_GAP_IN
    for axis in axes:
        axis.set_axis_off()
    for axis, image in zip(axes, images, strict=False):
        _fill_cell(axis, image, class_names, room_in)


def _fill_cell(
    axis: "Axes", image: ClassifiedImage, class_names: Sequence[str], room_in: float
) -> None:
    small = max(image.image.shape[1:]) < 128
    axis.imshow(
        image.image.permute(1, 2, 0).numpy(),  # (H, W, 3)
        interpolation="nearest" if small else "antialiased",
    )
    right = image.predicted == image.label
    color = RIGHT if right else WRONG
    fit = partial(_fit_name, room_in=room_in, bold=not right)
    text = fit("{}" + f"  {image.score:.0%}", class_names[image.predicted])
    if not right:
        text += "\n" + fit("true: {}", class_names[image.label])
    axis.set_title(
        text, color=color, fontsize=CELL_FONT, pad=4, fontweight="normal" if right else "bold"
    )
    axis.set_axis_on()
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set(color=color, linewidth=1.0 if right else 2.5)


def _fit_name(line: str, name: str, *, room_in: float, bold: bool) -> str:
    """A line with a name in it, cut to the width of a cell."""
    longest = MAX_NAME
    while True:
        text = line.format(figure_line(name, longest))
        width_in = text_width_in(text, CELL_FONT, bold=bold)
        if width_in <= room_in or longest <= 2:
            return text
        longest = max(2, min(longest - 1, int(longest * room_in / width_in)))


def _fill_confusion(
    figure: "Figure | SubFigure", counts: Tensor, class_names: Sequence[str]
) -> None:
    matrix = counts.numpy()
    if matrix.shape != (len(class_names), len(class_names)):
        raise ConfigError(
            f"a confusion matrix of shape {matrix.shape} does not fit {len(class_names)} names."
        )
    total, correct = matrix.sum(), np.trace(matrix)
    title = f"Confusion matrix: {correct} of {total} right ({correct / max(total, 1):.2%})"
    figure.suptitle(title, color=INK, fontsize=14, fontweight="bold")
    chosen = _most_confused(matrix)
    rows = matrix.sum(axis=1, keepdims=True)
    shares = (matrix / np.maximum(rows, 1))[np.ix_(chosen, chosen)]

    axis = figure.subplots()
    picture = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [figure_line(class_names[i], 20) for i in chosen]
    size = 11 if len(chosen) <= MAX_NUMBERED else 8
    widest_in = max(text_width_in(name, size) for name in names)
    steep = widest_in > 0.8 * MATRIX_IN / len(names)
    axis.set_xticks(
        range(len(names)),
        names,
        rotation=45 if steep else 0,
        ha="right" if steep else "center",
        fontsize=size,
    )
    axis.set_yticks(range(len(names)), names, fontsize=size)
    axis.set_xlabel("predicted", color=INK, fontsize=12)
    axis.set_ylabel("true", color=INK, fontsize=12)
    axis.tick_params(length=0, colors=INK)
    for spine in axis.spines.values():
        spine.set_color(FAINT)
    if len(chosen) <= MAX_NUMBERED:
        _number_cells(axis, matrix[np.ix_(chosen, chosen)], shares)
    if len(chosen) < len(class_names):
        axis.set_title(
            f"the {len(chosen)} classes with the most mistakes", color=FAINT, fontsize=10
        )
    bar = figure.colorbar(picture, ax=axis, shrink=0.7, pad=0.02, format="{x:.0%}")
    bar.outline.set_visible(False)
    bar.set_label("share of the true class", color=INK)
    bar.ax.tick_params(length=0, colors=INK)


def _number_cells(axis: "Axes", matrix: np.ndarray, shares: np.ndarray) -> None:
    for row, column in np.argwhere(matrix > 0):
        off_diagonal = row != column
        dark = shares[row, column] > 0.5
        axis.text(
            column,
            row,
            str(matrix[row, column]),
            ha="center",
            va="center",
            fontsize=11,
            fontweight="bold" if off_diagonal else "normal",
            color="white" if dark else WRONG if off_diagonal else INK,
        )


def _most_confused(matrix: np.ndarray) -> np.ndarray:
    """Indices of the classes to show, ascending."""
    if len(matrix) <= MAX_CLASSES:
        return np.arange(len(matrix))
    diagonal = np.diag(matrix)
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * diagonal
    return np.sort(np.argsort(-mistakes, kind="stable")[:MAX_CLASSES])
