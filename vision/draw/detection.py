"""Pictures of detection: boxes, masks and names on images, ground truth beside prediction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import DetectionPrediction, DetectionTarget
from vision.draw.figure import INK, class_color, font, new_figure
from vision.draw.palette import GREY
from vision.draw.tags import Place, draw_tag, enlarge, enlargement, font_size, tag_size
from vision.draw.text import figure_line, one_line
from vision.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.ImageDraw import ImageDraw

GAP = 8  # pixels between ground truth and prediction
MASK_OPACITY = 0.45


@dataclass(frozen=True)
class DetectionExample:
    """An image with its objects and detections.

    Attributes:
        title: A line above it.
        image: uint8 `(3, H, W)` RGB.
        prediction: Detected objects, in pixels of the image; None draws only the target.
        target: True objects; None if they are not known.
    """

    title: str
    image: Tensor
    prediction: DetectionPrediction | None
    target: DetectionTarget | None


@dataclass(frozen=True)
class _Mark:
    """One object as drawn: `box` xyxy and `mask` `(H, W)` bool in pixels of the picture."""

    box: np.ndarray
    mask: np.ndarray | None
    text: str
    color: tuple[int, int, int]


def draw_detections(
    image: Tensor,
    prediction: DetectionPrediction | None,
    target: DetectionTarget | None = None,
    *,
    class_names: Sequence[str],
    threshold: float = 0.3,
) -> Tensor:
    """Draw the objects of an image: boxes, names, scores and, where there are any, masks.

    Args:
        image: uint8 `(3, H, W)` RGB.
        prediction: Detected objects, in pixels of the image; None draws only the target.
        target: True objects; drawn on the left, and the prediction on the right. Crowds are grey.
        class_names: Name of each class, by index.
        threshold: Lowest score that is drawn, in [0, 1].

    Returns:
        uint8 `(3, H', W')` RGB: the image, enlarged by a whole number if its long side is below
        512 pixels; both halves with a line above them where there is a target.

    Raises:
        ConfigError: The image is not uint8 `(3, H, W)`, a label has no name, or there is nothing
            to draw.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        shape = tuple(image.shape)
        raise ConfigError(
            f"an image of {image.dtype} {shape} cannot be drawn: give uint8 (3, H, W)"
        )
    if prediction is None and target is None:
        raise ConfigError("there is neither a prediction nor a target to draw.")
    halves = []
    if target is not None:
        marks = _target_marks(image, target, class_names)
        halves.append(("ground truth", len(marks), _draw_marks(image, marks)))
    if prediction is not None:
        marks = _prediction_marks(image, prediction, class_names, threshold)
        halves.append(("prediction", len(marks), _draw_marks(image, marks)))
    if target is None:
        return _to_tensor(halves[0][2])
    pictures = [_with_header(picture, f"{name}: {count}") for name, count, picture in halves]
    blank = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [pictures[0]]
    for picture in pictures[1:]:
        parts += [blank, picture]
    return _to_tensor(np.concatenate(parts, axis=1))


def draw_examples(
    examples: Sequence[DetectionExample],
    class_names: Sequence[str],
    *,
    columns: int = 4,
    threshold: float = 0.3,
) -> "Figure":
    """Draw a grid of images with their true and detected objects.

    Args:
        examples: At least one; row by row.
        class_names: Name of each class, by index.
        columns: Number of examples in a row.
        threshold: Lowest score that is drawn, in [0, 1].

    Returns:
        A figure for `save_png`.

    Raises:
        ConfigError: There are no examples, or one cannot be drawn.
    """
    if not examples:
        raise ConfigError("there are no images to draw.")
    pictures = [
        draw_detections(
            example.image,
            example.prediction,
            example.target,
            class_names=class_names,
            threshold=threshold,
        )
        for example in examples
    ]
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    # One shape for all cells: the middle one, so that a panorama does not shrink the others.
    ratio = float(np.median([picture.shape[1] / picture.shape[2] for picture in pictures]))
    width = min(4.5, 16.0 / columns)  # inches
    figure = new_figure(width * columns, (width * min(ratio, 2.0) + 0.4) * rows)
    axes: list[Any] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for axis, example, picture in zip(axes, examples, pictures, strict=False):
        axis.imshow(picture.permute(1, 2, 0).numpy(), interpolation="antialiased")
        axis.set_title(figure_line(example.title), color=INK, fontsize=10, pad=4)
    return figure


def _target_marks(
    image: Tensor, target: DetectionTarget, class_names: Sequence[str]
) -> list[_Mark]:
    crowds = target["iscrowd"].tolist()
    texts = [
        f"{_name(class_names, label)} (crowd)" if crowd else _name(class_names, label)
        for label, crowd in zip(target["labels"].tolist(), crowds, strict=True)
    ]
    masks = target.get("masks")
    return _marks(image, target["boxes"], target["labels"], masks, texts, grey=crowds)


def _prediction_marks(
    image: Tensor, prediction: DetectionPrediction, class_names: Sequence[str], threshold: float
) -> list[_Mark]:
    kept = (prediction["scores"] >= threshold).nonzero().squeeze(1)
    masks = prediction.get("masks")
    labels = prediction["labels"][kept]
    texts = [
        f"{_name(class_names, label)} {score:.0%}"
        for label, score in zip(labels.tolist(), prediction["scores"][kept].tolist(), strict=True)
    ]
    chosen = None if masks is None else masks[kept]
    return _marks(image, prediction["boxes"][kept], labels, chosen, texts)


def _name(class_names: Sequence[str], label: int) -> str:
    if not 0 <= label < len(class_names):
        raise ConfigError(f"class index {label} has no name: {len(class_names)} names were given.")
    return one_line(class_names[label], 24)


def _marks(
    image: Tensor,
    boxes: Tensor,
    labels: Tensor,
    masks: Tensor | None,
    texts: Sequence[str],
    *,
    grey: Sequence[bool] = (),
) -> list[_Mark]:
    """The objects that can be drawn: one whose box is not finite cannot."""
    factor = enlargement(image.shape[1:])
    seen: Counter[int] = Counter()
    marks = []
    # Far outside of the picture, coordinates do not fit the integers of the drawing functions.
    limits = np.array([image.shape[2], image.shape[1]] * 2) * factor
    for i, text in enumerate(texts):
        box = boxes[i].double().cpu().numpy() * factor
        if not np.isfinite(box).all():
            continue
        box = np.clip(box, -limits, 2 * limits)
        label = int(labels[i])
        color = GREY if grey and grey[i] else class_color(label, seen[label])
        seen[label] += 1
        mask = None if masks is None else _enlarge_mask(masks[i], factor)
        marks.append(_Mark(box, mask, text, color))
    return marks


def _enlarge_mask(mask: Tensor, factor: int) -> np.ndarray:
    if factor == 1:
        return mask.cpu().numpy().astype(bool)
    large = F.interpolate(mask[None, None].float().cpu(), scale_factor=factor, mode="bilinear")
    return (large[0, 0] > 0.5).numpy()


def _draw_marks(image: Tensor, marks: Sequence[_Mark]) -> np.ndarray:
    """The image with marks, uint8 `(H, W, 3)`."""
    from PIL import Image, ImageDraw

    large = enlarge(image, enlargement(image.shape[1:]))
    pixels = large.permute(1, 2, 0).numpy().astype(np.float32)
    line = max(2, round(max(pixels.shape) / 350))
    # Large objects first: they would hide the small ones.
    marks = sorted(marks, key=lambda mark: -_area(mark.box))
    for mark in marks:
        if mark.mask is not None:
            _tint(pixels, mark.mask, mark.color, line)
    picture = Image.fromarray(pixels.round().astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for mark in marks:
        x1, y1, x2, y2 = mark.box.round().astype(int).tolist()
        draw.rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=mark.color, width=line)
    taken: list[Place] = []
    for mark in marks:
        taken.append(_tag_mark(draw, mark, taken, picture.size))
    return np.asarray(picture)


def _area(box: np.ndarray) -> float:
    return float((box[2:] - box[:2]).prod())


def _tint(pixels: np.ndarray, mask: np.ndarray, color: tuple[int, int, int], line: int) -> None:
    """Colour a mask, its border fully."""
    rgb = np.array(color, np.float32)
    pixels[mask] += (rgb - pixels[mask]) * MASK_OPACITY
    inner = mask.copy()
    step = max(1, line // 2)
    inner[step:] &= mask[:-step]
    inner[:-step] &= mask[step:]
    inner[:, step:] &= mask[:, :-step]
    inner[:, :-step] &= mask[:, step:]
    pixels[mask & ~inner] = rgb


def _tag_mark(
    draw: "ImageDraw", mark: _Mark, taken: Sequence[Place], size: tuple[int, int]
) -> Place:
    """Write the name at the box, hiding no other name if possible; returns its place."""
    width, height = tag_size(mark.text, size)
    x1, y1, x2, y2 = mark.box.round().astype(int).tolist()
    wishes = [(x1, y1 - height), (x1, y1), (x1, y2), (x2 - width, y2 - height), (x2 - width, y1)]
    return draw_tag(draw, mark.text, mark.color, wishes=wishes, taken=taken, picture=size)


def _with_header(picture: np.ndarray, text: str) -> np.ndarray:
    from PIL import Image, ImageDraw

    size_px = font_size((picture.shape[1], picture.shape[0]))
    strip = Image.new("RGB", (picture.shape[1], round(1.7 * size_px)), "white")
    ImageDraw.Draw(strip).text((2, size_px // 4), text, fill=INK, font=font(size_px))
    return np.concatenate([np.asarray(strip), picture])


def _to_tensor(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).contiguous()
