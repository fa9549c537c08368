"""Tiny panoptic datasets, whose images show the class of each pixel and the segment."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vision.annotations.panoptic import Segments

# Two things, two sorts of stuff; the ids of the categories leave gaps, as COCO's do.
CLASSES = ("disc", "box", "sky", "grass")
CATEGORY_IDS = (1, 3, 92, 200)
THINGS = (0, 1)
SIZE = (40, 56)
COUNTS = {"train": 4, "val": 2}
# Name of the split in official paths.
YEAR = "2017"


def scene(seed: int = 0, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, Segments]:
    """Sky above grass, discs and boxes before them, a void rim: int32 `(H, W)` ids and segments.

    Ids are scattered over 24 bits, as COCO's are; the last box is a crowd.
    """
    rng = np.random.default_rng(seed)
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    names = rng.choice(2**24 - 1, 7, replace=False) + 1
    ids = np.where(rows < height * rng.uniform(0.4, 0.6), names[0], names[1])
    labels = [2, 3]
    for number in range(2, 7):
        label = number % 2
        top, left = rng.uniform(0.15, 0.85, 2) * size
        radius = min(size) * rng.uniform(0.1, 0.2)
        near = np.stack([np.abs(rows - top), np.abs(columns - left)])
        away = np.hypot(*near) if label == 0 else near.max(axis=0)
        ids[away < radius] = names[number]
        labels.append(label)
    ids[:, :2] = 0
    seen = np.isin(names, ids)
    crowd = np.arange(7) == 5
    return ids.astype(np.int32), Segments(names[seen], np.array(labels)[seen], crowd[seen])


def paint(ids: np.ndarray, segments: Segments) -> np.ndarray:
    """An image that shows what each pixel is: uint8 `(H, W, 3)`.

    Red is 60 times its class, 240 where it is void; green the place of its segment times 20.
    """
    picture = np.full((*ids.shape, 3), (240, 0, 128), dtype=np.uint8)
    for place, (number, label) in enumerate(zip(*segments[:2], strict=True)):
        picture[ids == number] = (60 * label, 20 * place, 128)
    return picture


def colours(ids: np.ndarray) -> np.ndarray:
    """The RGB pixels of a map of ids: uint8 `(H, W, 3)`."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


def categories(category_ids: tuple[int, ...] = CATEGORY_IDS) -> list[dict[str, Any]]:
    """The list `categories`."""
    return [
        {"id": number, "name": name, "isthing": int(label in THINGS)}
        for label, (number, name) in enumerate(zip(category_ids, CLASSES, strict=True))
    ]


def entry(number: int | str, png: str, segments: Segments) -> dict[str, Any]:
    """An entry of the list `annotations`."""
    rows = zip(*(part.tolist() for part in segments), strict=True)
    infos = [
        {"id": one, "category_id": CATEGORY_IDS[label], "iscrowd": int(crowd)}
        for one, label, crowd in rows
    ]
    return {"image_id": number, "file_name": png, "segments_info": infos}


def write_panoptic(root: Path, *, counts: Mapping[str, int] = COUNTS) -> Path:
    """Write a dataset in COCO's layout; the images are PNG files, so that colours are exact.

    Args:
        root: The dataset's folder.
        counts: Number of images of each split.
    """
    for part, split in enumerate(counts):
        name = f"panoptic_{split}{YEAR}"
        masks, images = root / "annotations" / name, root / f"{split}{YEAR}"
        for folder in (masks, images):
            folder.mkdir(parents=True, exist_ok=True)
        contents: dict[str, Any] = {"images": [], "annotations": [], "categories": categories()}
        for place in range(counts[split]):
            number = 100 * part + 7 * place + 3
            ids, segments = scene(number)
            Image.fromarray(paint(ids, segments)).save(images / f"{number:012}.png")
            Image.fromarray(colours(ids)).save(masks / f"{number:012}.png")
            contents["images"].append(
                {
                    "id": number,
                    "file_name": f"{number:012}.png",
                    "height": ids.shape[0],
                    "width": ids.shape[1],
                }
            )
            contents["annotations"].append(entry(number, f"{number:012}.png", segments))
        (root / "annotations" / f"{name}.json").write_text(json.dumps(contents))
    return root
