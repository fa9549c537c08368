"""Pictures of semantic segmentation: masks on images, and their errors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.draw.example_rows import draw_rows
from vision.draw.palette import COUNT, GREY, RED, distinct_colors
from vision.draw.pixels import mark_missing, to_tensor
from vision.draw.regions import OPACITY, hatched_patch, pale, read_mask, tint_regions
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("image", "ground truth", "prediction", "errors")
MAX_NAMED = 40


@dataclass(frozen=True)
class SegmentationExample:
    """An image with its true and predicted classes.

    Attributes:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: Integers `(H, W)`, class index of each pixel.
        target: Integers `(H, W)`, class index or `IGNORED`.
    """

    title: str
    image: Tensor
    prediction: Tensor
    target: Tensor


def class_palette(count: int) -> np.ndarray:
    """The colours of classes in masks and pictures, for datasets without their own.

    Args:
        count: K, at most 255.

    Returns:
        uint8 `(K, 3)` RGB; the colour of a class does not depend on their number.

    Raises:
        ConfigError: There are more than 255.
    """
    if not 0 <= count <= COUNT:
        raise ConfigError(f"a palette of {count} classes: expected 0 to {COUNT}.")
    return np.array(distinct_colors()[:count], np.uint8).reshape(-1, 3)


def overlay_mask(
    image: Tensor,
    mask: Tensor,
    palette: np.ndarray,
    *,
    opacity: float = OPACITY,
    boundaries: bool = True,
) -> Tensor:
    """Tint an image with the classes of its pixels; ignored ones are grey with light stripes.

    Args:
        image: uint8 `(3, H, W)` RGB.
        mask: Integers `(H, W)`, class index or `IGNORED`.
        palette: uint8 `(K, 3)` RGB colour of each class.
        opacity: Of the colours, in [0, 1].
        boundaries: Whether to draw the edges of each region in its full colour, some pixels wide in
            large images.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree, or a class has no colour.
    """
    labels = read_mask(mask, image)
    known = (labels >= 0) & (labels < len(palette)) | (labels == IGNORED)
    if not known.all():
        raise ConfigError(
            f"class index {labels[~known][0]} has no colour: {len(palette)} were given."
        )
    colors = np.full((IGNORED + 1, 3), GREY, np.uint8)
    colors[: len(palette)] = palette
    colors[IGNORED] = GREY
    return tint_regions(
        image, labels, colors, ignored=IGNORED, opacity=opacity, boundaries=boundaries
    )


def draw_errors(image: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """Show wrong pixels in red on a pale image; ignored ones are grey with light stripes.

    Args:
        image: uint8 `(3, H, W)` RGB.
        prediction: Integers `(H, W)`, class index of each pixel.
        target: Integers `(H, W)`, class index or `IGNORED`.

    Returns:
        uint8 `(3, H, W)` RGB.

    Raises:
        ConfigError: The shapes do not agree.
    """
    found, true = read_mask(prediction, image), read_mask(target, image)
    picture = pale(image)
    picture[found != true] = RED
    mark_missing(picture, true == IGNORED)
    return to_tensor(picture)


def draw_examples(
    examples: Iterable[SegmentationExample], class_names: Sequence[str], palette: np.ndarray
) -> "Figure":
    """Draw a row for each image: the image, its target, its prediction and the errors.

    A legend names the classes that are in any of them, the most frequent if they are many.

    Args:
        examples: At least one; only one is held in memory at a time.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class.

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or one cannot be drawn.
    """
    pixels = np.zeros(IGNORED + 1, np.int64)

    def rows() -> Iterator[tuple[str, tuple[Tensor, ...]]]:
        for example in examples:
            for mask in (example.target, example.prediction):
                counts = np.bincount(mask.reshape(-1).cpu().numpy(), minlength=IGNORED + 1)
                np.add(pixels, counts, out=pixels)
            yield (
                example.title,
                (
                    example.image,
                    overlay_mask(example.image, example.target, palette),
                    overlay_mask(example.image, example.prediction, palette),
                    draw_errors(example.image, example.prediction, example.target),
                ),
            )

    figure = draw_rows(rows(), COLUMNS)
    _add_legend(figure, pixels, class_names, palette)
    return figure


def _add_legend(
    figure: "Figure", pixels: np.ndarray, class_names: Sequence[str], palette: np.ndarray
) -> None:
    """Name the classes that have `pixels`, int64 `(256,)`."""
    from matplotlib.patches import Patch

    frequent = np.argsort(-pixels[:IGNORED], kind="stable")[:MAX_NAMED]
    present = np.sort(frequent[pixels[frequent] > 0]).tolist()
    entries = [(class_names[label], palette[label]) for label in present]
    entries.append(("wrong", np.array(RED)))
    patches = [Patch(facecolor=color / 255, label=figure_line(name, 40)) for name, color in entries]
    if pixels[IGNORED]:
        patches.append(hatched_patch("ignored"))
    figure.legend(handles=patches, loc="outside lower center", ncols=8, frameon=False, fontsize=8)
