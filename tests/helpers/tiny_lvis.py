"""A tiny dataset in the exact layout of LVIS v1, and breaks of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.tiny_coco import CATEGORIES, write_tiny_coco

FREQUENCIES = dict(zip(CATEGORIES, "rcf", strict=True))
# Of the first two images of a split: absent categories, and those not marked exhaustively.
CHECKED = {0: ([90], [3]), 1: ([3, 7], [])}


def write_tiny_lvis(root: Path, *, images: int = 4) -> dict[str, Any]:
    """Write `write_tiny_coco`'s images with LVIS' annotation files; returns the options to read it.

    Args:
        root: The dataset's folder; made when absent.
        images: Number of images in each split.
    """
    write_tiny_coco(root, images=images)
    annotations = root / "annotations"
    for old, new in (
        ("instances_train2017", "lvis_v1_train"),
        ("instances_val2017", "lvis_v1_val"),
        ("image_info_test-dev2017", "lvis_v1_image_info_test_dev"),
    ):
        change(annotations / f"{old}.json", _federate, annotations / f"{new}.json")
        (annotations / f"{old}.json").unlink()
    return {"root": root, "cache_dir": ""}


def change(path: Path, by: Callable[[dict[str, Any]], object], to: Path | None = None) -> Path:
    """Change the contents of a JSON file in place, or into another file; returns its path."""
    contents = json.loads(path.read_text())
    by(contents)
    (to or path).write_text(json.dumps(contents))
    return to or path


def _federate(contents: dict[str, Any]) -> None:
    for place, image in enumerate(contents["images"]):
        del image["file_name"]
        if "annotations" in contents:
            negative, partial = CHECKED.get(place, ([], []))
            image |= {"neg_category_ids": negative, "not_exhaustive_category_ids": partial}
    for annotation in contents.get("annotations", ()):
        del annotation["iscrowd"]
    for category in contents["categories"]:
        category["frequency"] = FREQUENCIES[category["id"]]


def damage_lvis(root: Path) -> list[str]:
    """Break annotations and an image; returns a part of the message of each problem."""

    def damage(contents: dict[str, Any]) -> None:
        contents["categories"][0]["frequency"] = "rare"
        del contents["images"][0]["neg_category_ids"][:]
        contents["images"][1]["neg_category_ids"] = [3, 8]
        del contents["images"][2]["not_exhaustive_category_ids"]

    change(root / "annotations/lvis_v1_train.json", damage)
    image = sorted((root / "val2017").iterdir())[3]  # the first three are looked for at the start
    image.unlink()
    return [
        "lvis_v1_train.json': category 3: 'frequency' is 'rare', expected 'r', 'c' or 'f'",
        "lvis_v1_train.json': image 285: 'neg_category_ids' has 8, which is not listed",
        "lvis_v1_train.json': image 431: 'not_exhaustive_category_ids' is None, expected a list",
        f"there is no image '{image}'",
    ]
