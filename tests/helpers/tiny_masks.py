"""Tiny datasets in the layout of `MaskFolder`, whose images show the class of each pixel."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from vision.contracts.segmentation import IGNORED

CLASSES = ("ground", "disc", "egg")
# In images, and in masks of colours.
COLORS = np.array([(40, 120, 60), (200, 60, 40), (60, 80, 220)], dtype=np.uint8)
IGNORED_COLOR = (255, 255, 255)
COUNTS = {"train": 4, "val": 2}
SIZE = (40, 56)

Coding = Literal["grey", "palette", "rgb", "grey16"]


def class_map(seed: int = 0, *, size: tuple[int, int] = SIZE, ignored: bool = True) -> np.ndarray:
    """A disc and an egg on the ground, within an ignored rim: uint8 `(H, W)`.

    Args:
        seed: Where they lie.
        size: Height and width in pixels.
        ignored: Whether a rim of two pixels at the left is ignored.
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    labels = np.zeros(size, dtype=np.uint8)
    generator = np.random.default_rng(seed)
    for label, stretch in ((1, 1.0), (2, 1.6)):
        top, left = generator.uniform(0.25, 0.75, 2) * size
        radius = min(size) * generator.uniform(0.15, 0.25)
        away = ((rows - top) * stretch) ** 2 + (columns - left) ** 2
        labels[away < radius**2] = label
    if ignored:
        labels[:, :2] = IGNORED
    return labels


def paint(labels: np.ndarray, *, noise: int = 0, seed: int = 0) -> np.ndarray:
    """The image of a class map, in the colours of the classes: uint8 `(H, W, 3)`.

    Args:
        labels: uint8 `(H, W)` class index or `IGNORED`.
        noise: Largest change of a value.
        seed: Seed of the noise.
    """
    palette = np.zeros((256, 3), dtype=np.int64)
    palette[: len(COLORS)], palette[IGNORED] = COLORS, IGNORED_COLOR
    change = np.random.default_rng(seed).integers(-noise, noise + 1, (*labels.shape, 3))
    return np.clip(palette[labels] + change, 0, 255).astype(np.uint8)


def write_mask(
    path: Path,
    labels: np.ndarray,
    *,
    coding: Coding = "grey",
    values: Mapping[int, int] | None = None,
) -> None:
    """Write a mask, with its folder.

    Args:
        path: The PNG file.
        labels: uint8 `(H, W)` class index or `IGNORED`.
        coding: Kind of the file; "rgb" has `COLORS` and `IGNORED_COLOR`.
        values: What is written for a class or `IGNORED`, where that is another number.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if coding == "rgb":
        Image.fromarray(paint(labels)).save(path)
        return
    table = np.arange(256)
    for label, value in (values or {}).items():
        table[label] = value
    image = Image.fromarray(table[labels].astype(np.uint16 if coding == "grey16" else np.uint8))
    if coding == "palette":
        image.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    image.save(path)


def write_mask_folder(
    root: Path,
    *,
    counts: Mapping[str, int] = COUNTS,
    size: tuple[int, int] = SIZE,
    coding: Coding = "grey",
    values: Mapping[int, int] | None = None,
    noise: int = 12,
    classes: Sequence[str] | None = CLASSES,
) -> Path:
    """Write `images`, `masks` and `classes.txt`.

    Args:
        root: The dataset's folder.
        counts: Number of images of each split; under the name "" they lie in no split's folder.
        size: Height and width of the images in pixels.
        coding: Kind of the masks.
        values: What is written for a class or `IGNORED`, where that is another number.
        noise: Largest change of a value of the images.
        classes: Lines of `classes.txt`; None writes none.
    """
    for number, split in enumerate(counts):
        for image in range(counts[split]):
            seed = 100 * number + image
            labels = class_map(seed, size=size)
            path = root / "images" / split / f"{image}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(paint(labels, noise=noise, seed=seed)).save(path)
            mask = root / "masks" / split / f"{image}.png"
            write_mask(mask, labels, coding=coding, values=values)
    if classes is not None:
        (root / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    return root
