"""Pictures of training batches as a model sees them: augmented images with their targets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.detection import DetectionTarget
from vision.contracts.segmentation import IGNORED
from vision.draw.detection import draw_detections
from vision.draw.figure import INK, font
from vision.draw.segmentation import class_palette, overlay_mask
from vision.draw.text import one_line

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_IMAGES = 16
CELL = 320  # pixels, long side of an image in the grid
DENSE_CELL = 512  # the same, where there are small things to see
GAP = 10
MAX_NAMED = 3


@dataclass(frozen=True)
class TrainBatch:
    """The first images of a training batch, after augmentation.

    Attributes:
        images: uint8 `(3, H, W)` RGB each, without their padding.
        batch: The batch, with tensors on the CPU; its lists and first axes begin with the images.
        class_names: Name of each class, by index.
        palette: uint8 `(K, 3)` RGB colour of each class; None takes ours.
    """

    images: Sequence[Tensor]
    batch: Mapping[str, Any]
    class_names: Sequence[str]
    palette: np.ndarray | None = None


# An image with its target, and a line below it.
Cell = tuple[Tensor, str]


def draw_train_batch(kind: str, shown: TrainBatch) -> "Image | None":
    """Draw a grid of the images of a batch with their targets.

    Args:
        kind: Name of the task, one of `KINDS`.
        shown: What is drawn, at most 16 images of it.

    Returns:
        A picture; None for another task, without images or without targets.
    """
    cells = KINDS[kind](shown)[:MAX_IMAGES] if kind in KINDS else []
    return _grid(cells) if cells else None


def classification_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the name of their class; after mixing, with the shares of two."""
    if "label" not in shown.batch:
        return []
    labels = shown.batch["label"]
    texts = []
    for label in labels[: len(shown.images)]:
        if label.ndim == 0:
            texts.append(_name(shown.class_names, int(label)))
            continue
        shares, classes = label.float().topk(min(2, len(label)))
        named = zip(shares.tolist(), classes.tolist(), strict=True)
        parts = [(share, _name(shown.class_names, i)) for share, i in named if share > 0.005]
        mixed = len(parts) > 1
        texts.append(" + ".join(f"{name} {share:.0%}" if mixed else name for share, name in parts))
    return [(_fit(image, CELL), text) for image, text in zip(shown.images, texts, strict=True)]


def detection_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the boxes, masks and names of their objects."""
    cells = []
    for image, target in zip(shown.images, shown.batch.get("target", ()), strict=False):
        small, own = _shrink_objects(image, target)
        picture = draw_detections(small, None, own, class_names=shown.class_names)
        size = f"{image.shape[2]} x {image.shape[1]} pixels"
        cells.append((_fit(picture, DENSE_CELL), size))
    return cells


def segmentation_cells(shown: TrainBatch) -> list[Cell]:
    """Images with the classes of their pixels in colour, and the names of the most frequent."""
    if "mask" not in shown.batch:
        return []
    palette = shown.palette
    if palette is None:
        palette = class_palette(min(len(shown.class_names), IGNORED))
    cells = []
    for image, whole in zip(shown.images, shown.batch["mask"], strict=False):
        height, width = image.shape[1:]
        small = _fit(image, DENSE_CELL)
        mask = F.interpolate(whole[None, None, :height, :width].float(), small.shape[1:])
        mask = mask[0, 0].long()
        pixels = torch.bincount(mask[mask != IGNORED], minlength=1)
        order = pixels.argsort(descending=True, stable=True).tolist()
        present = [_name(shown.class_names, i) for i in order if pixels[i] > 0]
        more = f", {len(present) - MAX_NAMED} more" if len(present) > MAX_NAMED else ""
        text = ", ".join(present[:MAX_NAMED]) + more
        cells.append((overlay_mask(small, mask, palette), text or "all ignored"))
    return cells


# Name of a task -> what is drawn of its batches.
KINDS: dict[str, Callable[[TrainBatch], list[Cell]]] = {
    "classification": classification_cells,
    "detection": detection_cells,
    "segmentation": segmentation_cells,
}


def _name(class_names: Sequence[str], label: int) -> str:
    return one_line(class_names[label] if 0 <= label < len(class_names) else str(label), 24)


def _fit(image: Tensor, side: int) -> Tensor:
    """Bring the long side near to `side`: smaller, or larger by a whole number."""
    long = max(image.shape[1:])
    if long > side:
        size = [max(1, round(length * side / long)) for length in image.shape[1:]]
        return _resize(image, size)
    factor = max(1, side // (2 * long))
    return image.repeat_interleave(factor, 1).repeat_interleave(factor, 2)


def _resize(image: Tensor, size: Sequence[int]) -> Tensor:
    small = F.interpolate(image[None].float(), tuple(size), mode="bilinear", antialias=True)
    return small[0].round().clamp(0, 255).to(torch.uint8)


def _shrink_objects(image: Tensor, target: DetectionTarget) -> tuple[Tensor, DetectionTarget]:
    """Image and objects of the size in which they are drawn: drawing large masks takes long."""
    height, width = image.shape[1:]
    scale = min(1.0, DENSE_CELL / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    own: DetectionTarget = {**target, "boxes": target["boxes"].float().cpu() * scale}
    if "masks" in target:
        masks = target["masks"][:, None, :height, :width].float()
        own["masks"] = F.interpolate(masks, size)[:, 0] > 0.5 if len(masks) else masks[:, 0].bool()
    return (image if scale == 1.0 else _resize(image, size)), own


def _grid(cells: Sequence[Cell]) -> "Image":
    """The cells in rows, with their lines; small ones stand in the middle of their place."""
    from PIL import Image, ImageDraw

    columns = int(np.ceil(np.sqrt(len(cells))))
    rows = -(-len(cells) // columns)
    width = max(max(picture.shape[2] for picture, _ in cells), 160)
    height = max(picture.shape[1] for picture, _ in cells)
    size_px = max(13, width // 32)
    typeface = font(size_px)
    line = round(1.9 * size_px)
    size = (columns * (width + GAP) + GAP, rows * (height + line + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, (picture, text) in enumerate(cells):
        x = GAP + number % columns * (width + GAP)
        y = GAP + number // columns * (height + line + GAP)
        pixels = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
        sheet.paste(pixels, (x + (width - pixels.width) // 2, y + (height - pixels.height) // 2))
        while len(text) > 1 and draw.textlength(text, font=typeface) > width:
            text = f"{text[:-2]}…"
        start = x + (width - draw.textlength(text, font=typeface)) / 2
        draw.text((start, y + height + size_px // 4), text, fill=INK, font=typeface)
    return sheet
