"""Tiny panoptic datasets, whose images show the class of each pixel and the segment."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vision.annotations.panoptic import Segments
from vision.documents.class_table import class_table

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
        picture[ids == number] = (min(60 * label, 255), 20 * place, 128)
    return picture


def colours(ids: np.ndarray) -> np.ndarray:
    """The RGB pixels of a map of ids: uint8 `(H, W, 3)`."""
    return np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)


def categories() -> list[dict[str, Any]]:
    """The list `categories`."""
    return [
        {"id": number, "name": name, "isthing": int(label in THINGS)}
        for label, (number, name) in enumerate(zip(CATEGORY_IDS, CLASSES, strict=True))
    ]


def entry(
    number: int | str,
    png: str,
    segments: Segments,
    category_ids: Sequence[int] = CATEGORY_IDS,
) -> dict[str, Any]:
    """An entry of the list `annotations`."""
    rows = zip(*(part.tolist() for part in segments), strict=True)
    infos = [
        {"id": one, "category_id": int(category_ids[label]), "iscrowd": int(crowd)}
        for one, label, crowd in rows
    ]
    return {"image_id": number, "file_name": png, "segments_info": infos}


def image_row(number: int | str, name: str, ids: np.ndarray) -> dict[str, Any]:
    """An entry of the list `images`."""
    return {"id": number, "file_name": name, "height": ids.shape[0], "width": ids.shape[1]}


def write_pixels(path: Path, pixels: np.ndarray) -> None:
    """Write an image file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_panoptic(root: Path, *, counts: Mapping[str, int] = COUNTS) -> Path:
    """Write a dataset in COCO's layout; the images are PNG files, so that colours are exact.

    Args:
        root: The dataset's folder.
        counts: Number of images of each split.
    """
    for part, split in enumerate(counts):
        name = f"panoptic_{split}{YEAR}"
        contents: dict[str, Any] = {"images": [], "annotations": [], "categories": categories()}
        for place in range(counts[split]):
            number = 100 * part + 7 * place + 3
            png = f"{number:012}.png"
            ids, segments = scene(number)
            write_pixels(root / f"{split}{YEAR}" / png, paint(ids, segments))
            write_pixels(root / "annotations" / name / png, colours(ids))
            contents["images"].append(image_row(number, png, ids))
            contents["annotations"].append(entry(number, png, segments))
        (root / "annotations" / f"{name}.json").write_text(json.dumps(contents))
    return root


# Stuff, an object and a group of persons, an object of a class that is not evaluated, a car.
INSTANCE_IDS = (7, 24_000, 24, 29_000, 26_003, 23)
STREETS = {"train": ("ulm_000000_000019", "ulm_000001_000019"), "val": ("lindau_000002_000019",)}


def write_cityscapes_panoptic(root: Path, *, scripts: bool = False) -> Path:
    """Write Cityscapes with instance ids.

    Args:
        root: The dataset's folder.
        scripts: Whether the files of Cityscapes' scripts are written in their place.
    """
    table = class_table("cityscapes")
    is_thing = {24, 25, 26, 27, 28, 31, 32, 33}
    rows = [{"id": n, "name": table.labels[n], "isthing": int(n in is_thing)} for n in table.values]
    for split, names in STREETS.items():
        contents: dict[str, Any] = {"images": [], "annotations": [], "categories": rows}
        for shift, name in enumerate(names):
            city = name.partition("_")[0]
            values = np.roll(np.repeat(INSTANCE_IDS, 4)[None], 2 * shift, 1).repeat(16, 0)
            image = np.stack([values % 256] * 3, axis=-1).astype(np.uint8)
            image[..., 2] = len(name)  # each split's own
            write_pixels(root / f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", image)
            if not scripts:
                raw = root / f"gtFine/{split}/{city}/{name}_gtFine_instanceIds.png"
                write_pixels(raw, values.astype(np.uint16))
                continue
            values[values == 29_000] = 0
            png = f"{name}_gtFine_panoptic.png"
            write_pixels(root / f"gtFine/cityscapes_panoptic_{split}/{png}", colours(values))
            contents["images"].append(image_row(name, f"{name}_gtFine_leftImg8bit.png", values))
            infos = [
                {"id": n, "category_id": n if n < 1000 else n // 1000, "iscrowd": int(n == 24)}
                for n in INSTANCE_IDS
                if n != 29_000
            ]
            contents["annotations"].append(
                {"image_id": name, "file_name": png, "segments_info": infos}
            )
        if scripts:
            path = root / f"gtFine/cityscapes_panoptic_{split}.json"
            path.write_text(json.dumps(contents))
    return root


def write_ade20k_panoptic(root: Path, *, names: Sequence[str] | None = None) -> Path:
    """Write ADE20K as detectron2's users convert it; a wall is hidden behind a bed.

    Args:
        root: The dataset's folder.
        names: Names of the categories; None takes the benchmark's 150.
    """
    known = class_table("ade20k").classes if names is None else names
    rows = [{"id": n, "name": f"{name} ", "isthing": int(n == 7)} for n, name in enumerate(known)]
    for split, folder in {"train": "training", "val": "validation"}.items():
        contents: dict[str, Any] = {"images": [], "annotations": [], "categories": rows}
        for number in range(1, 3):
            name = f"ADE_{split}_0000000{number}"
            ids = np.full((20, 30), 5, dtype=np.int32)
            ids[5:, 10:] = 9
            segments = Segments(np.array([3, 5, 9]), np.array([0, 2, 7]), np.zeros(3, dtype=bool))
            picture = paint(ids, segments)
            picture[:2] = 50 * number + len(folder)  # each image's own
            write_pixels(root / f"images/{folder}/{name}.jpg", picture)
            write_pixels(root / f"ade20k_panoptic_{split}/{name}.png", colours(ids))
            contents["images"].append(image_row(name, f"{name}.jpg", ids))
            contents["annotations"].append(entry(name, f"{name}.png", segments, range(len(known))))
        (root / f"ade20k_panoptic_{split}.json").write_text(json.dumps(contents))
    return root
