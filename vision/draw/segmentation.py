"""Pictures of semantic segmentation: masks on images, and their errors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from vision.contracts.segmentation import IGNORED
from vision.draw.example_rows import draw_rows
from vision.draw.palette import COUNT, GREY, RED, distinct_colors
from vision.draw.pixels import LIGHT, hatched, to_pixels, to_tensor
from vision.draw.text import figure_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OPACITY = 0.55
# Share of the picture's contrast that correct pixels keep, on a light ground.
PALE = 0.35
HATCHED = 0.8  # opacity of the stripes of ignored pixels
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
    pixels = to_pixels(image)
    labels = _labels(mask, pixels)
    known = (labels >= 0) & (labels < len(palette)) | (labels == IGNORED)
    if not known.all():
        raise ConfigError(
            f"class index {labels[~known][0]} has no colour: {len(palette)} were given."
        )
    colors = np.full((IGNORED + 1, 3), GREY, np.float32)
    colors[: len(palette)] = palette
    colors[IGNORED] = GREY
    tint = colors[labels]
    strength = np.full((*labels.shape, 1), opacity, np.float32)
    if boundaries:
        strength[_edges(labels, max(1, round(max(labels.shape) / 500)))] = 1
    striped = hatched(labels == IGNORED)
    tint[striped], strength[striped] = LIGHT, max(opacity, HATCHED)
    return to_tensor(pixels + (tint - pixels) * strength)


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
    pixels = to_pixels(image)
    found, true = _labels(prediction, pixels), _labels(target, pixels)
    light = pixels.mean(axis=2, keepdims=True)
    picture = np.broadcast_to(255 - PALE * (255 - light), pixels.shape).copy()
    picture[found != true] = RED
    picture[true == IGNORED] = GREY
    picture[hatched(true == IGNORED)] = LIGHT
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
        grey, light = (np.array(color) / 255 for color in (GREY, LIGHT))
        style: Any = {"facecolor": grey, "edgecolor": light, "linewidth": 0, "hatch": "/////"}
        patches.append(Patch(label="ignored", **style))
    figure.legend(handles=patches, loc="outside lower center", ncols=8, frameon=False, fontsize=8)


def _labels(mask: Tensor, pixels: np.ndarray) -> np.ndarray:
    if mask.shape != pixels.shape[:2]:
        raise ConfigError(
            f"a mask of shape {tuple(mask.shape)} does not fit an image of "
            f"{pixels.shape[0]} x {pixels.shape[1]} pixels (height x width)."
        )
    return mask.cpu().numpy()


def _edges(labels: np.ndarray, width: int) -> np.ndarray:
    """Whether another class is within `width` pixels up, down or sideways: bool `(H, W)`."""
    edges = np.zeros(labels.shape, bool)
    for step in range(1, width + 1):
        down = labels[step:] != labels[:-step]
        across = labels[:, step:] != labels[:, :-step]
        edges[step:] |= down
        edges[:-step] |= down
        edges[:, step:] |= across
        edges[:, :-step] |= across
    return edges
