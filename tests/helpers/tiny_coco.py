"""A tiny dataset in the exact layout of COCO 2017: real files for the tests of detection.

Filled ellipses on noise. There are polygons (also of two parts), masks as run lengths, a crowd, an
image without objects, images of both orientations, and category ids with gaps.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from helpers.pictures import texture
from PIL import Image

# By label: ids in the file ascend, with gaps as in COCO.
CATEGORIES = {3: "disc", 7: "egg", 90: "pebble"}
COLOURS = {3: (220, 40, 40), 7: (40, 200, 60), 90: (50, 70, 230)}
FIRST_ID = {"train": 139, "val": 20139, "test": 40139}
ID_STEP = 146
EMPTY = 1  # number of the image without objects
_TREE = {"train": "train2017", "val": "val2017", "test": "test2017"}


def write_tiny_coco(
    root: Path,
    *,
    images: int = 6,
    size: tuple[int, int] = (96, 128),
    masks: bool = True,
    seed: int = 0,
) -> None:
    """Write `annotations/*.json`, `train2017/`, `val2017/` and `test2017/` under a folder.

    Image 1 of each split has no objects, image 0 a crowd (uncompressed run lengths), image 2 a mask
    as a compressed string, image 3 an object in two parts. Every third image is portrait.

    Args:
        root: The dataset's folder; made when absent.
        images: Number of images in each split, at least 4 for all of the above.
        size: Height and width of the landscape images in pixels.
        masks: Whether the annotations have a segmentation.
        seed: Seed of the pictures and of the objects.
    """
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for number, split in enumerate(_TREE):
        (root / _TREE[split]).mkdir(exist_ok=True)
        contents = _split(root / _TREE[split], split, images, size, masks, 10 * seed + number)
        if split == "test":
            del contents["annotations"]
        name = "image_info_test-dev2017" if split == "test" else f"instances_{split}2017"
        (root / "annotations" / f"{name}.json").write_text(json.dumps(contents))


def outline(box_xyxy: np.ndarray, points: int = 16) -> np.ndarray:
    """Points of the ellipse that fills a box, float `(points, 2)`."""
    x1, y1, x2, y2 = box_xyxy
    turn = np.arange(points) * (2 * np.pi / points)
    x = (x1 + x2) / 2 + np.cos(turn) * (x2 - x1) / 2
    y = (y1 + y2) / 2 + np.sin(turn) * (y2 - y1) / 2
    return np.stack([x, y], axis=1).round(2)


def _split(
    folder: Path, split: str, images: int, size: tuple[int, int], masks: bool, seed: int
) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    records, annotations = [], []
    for i in range(images):
        height, width = size[::-1] if i % 3 == 2 else size
        pixels = texture(height, width, seed=1000 * seed + i)
        image_id = FIRST_ID[split] + ID_STEP * i
        for k in range(0 if i == EMPTY else 1 + (i + 1) % 3):
            annotation = _object(pixels, generator, i, k, masks)
            annotation |= {"image_id": image_id, "id": 1_000_000 - 17 * len(annotations)}
            annotations.append(annotation)
        name = f"{image_id:012d}.jpg"
        Image.fromarray(pixels).save(folder / name, quality=95)
        records.append(
            {
                "license": 1,
                "file_name": name,
                "coco_url": f"http://images.cocodataset.org/{folder.name}/{name}",
                "height": height,
                "width": width,
                "date_captured": "2013-11-14 17:02:52",
                "id": image_id,
            }
        )
    categories = [
        {"supercategory": "shape", "id": number, "name": name}
        for number, name in CATEGORIES.items()
    ]
    return {
        "info": {"description": "A tiny dataset", "year": 2017},
        "licenses": [{"url": "", "id": 1, "name": "CC0"}],
        "images": records,
        "annotations": annotations,
        "categories": categories,
    }


def _object(
    pixels: np.ndarray, generator: np.random.Generator, image: int, number: int, masks: bool
) -> dict[str, Any]:
    """Draw an object into an image, and describe it but for its ids."""
    from pycocotools import mask as coco_mask

    height, width = pixels.shape[:2]
    extent = generator.uniform(0.25, 0.45, 2) * (width, height)
    corner = generator.uniform(2, np.array([width, height]) - extent - 2)
    parts = [outline(np.concatenate([corner, corner + extent]))]
    if image == 3 and number == 0:  # in two parts, one behind the other
        x1, y1 = corner
        w, h = extent
        halves = [(x1, y1, x1 + 0.4 * w, y1 + h), (x1 + 0.6 * w, y1, x1 + w, y1 + h)]
        parts = [outline(np.array(half)) for half in halves]
    polygons = [part.ravel().tolist() for part in parts]
    runs = coco_mask.merge(coco_mask.frPyObjects(polygons, height, width))
    mask = coco_mask.decode(runs).astype(bool)
    category = list(CATEGORIES)[(image + number) % len(CATEGORIES)]
    pixels[mask] = COLOURS[category]
    crowd = image == 0 and number == 1
    segmentation: Any = polygons
    if crowd:
        segmentation = {"counts": uncompressed_counts(mask), "size": [height, width]}
    elif image == 2 and number == 0:
        segmentation = {"size": [height, width], "counts": runs["counts"].decode()}
    box = coco_mask.toBbox(runs).tolist()
    if isinstance(segmentation, list):
        points = np.concatenate(parts)
        low, high = points.min(axis=0), points.max(axis=0)
        box = [*low.tolist(), *(high - low).round(2).tolist()]
    annotation = {
        "area": float(mask.sum()),
        "iscrowd": int(crowd),
        "bbox": box,
        "category_id": category,
    }
    return {"segmentation": segmentation, **annotation} if masks else annotation


def uncompressed_counts(mask: np.ndarray) -> list[int]:
    """Run lengths of a mask, column by column, beginning with zeros."""
    flat = mask.T.ravel().astype(np.int8)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()
