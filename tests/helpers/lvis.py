"""Random annotations in LVIS' format, and its definition of average precision as plain loops."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from helpers.random_coco import random_case
from pycocotools import mask as mask_tools

Json = dict[str, Any]
AREAS = {
    "all": (0, 1e10),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 1e10),
}
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


def random_lvis(
    seed: int, *, images: int = 5, crowded: bool = False, masks: bool = True
) -> tuple[Json, list[Json]]:
    """Annotations and results with absent, unknown and not exhaustively annotated categories."""
    truth, results = random_case(seed, images=images, crowded=crowded, masks=masks)
    draw = np.random.default_rng(seed)
    ids = [category["id"] for category in truth["categories"]]
    for category, letter in zip(truth["categories"], draw.permutation([*"rcff"]), strict=True):
        category["frequency"] = str(letter)
    for annotation in truth["annotations"]:
        annotation["iscrowd"] = 0
    for image in truth["images"]:
        present = {
            one["category_id"] for one in truth["annotations"] if one["image_id"] == image["id"]
        }
        absent = [number for number in ids if number not in present]
        image["neg_category_ids"] = [x for x in absent if draw.random() < 0.5]
        image["not_exhaustive_category_ids"] = [x for x in present if draw.random() < 0.3]
    return truth, results


def loop(truth: Json, results: Sequence[Json], kind: str, maximum: int = 300) -> dict[str, float]:
    """The numbers by the definition, for categories, sizes and overlaps one after the other."""
    # By pycocotools' rule, results with boxes have the areas of their boxes.
    areas = [
        float(one["bbox"][2] * one["bbox"][3])
        if "bbox" in one
        else float(mask_tools.area(one["segmentation"]))
        for one in results
    ]
    kept = []
    for image in truth["images"]:
        here = [i for i, one in enumerate(results) if one["image_id"] == image["id"]]
        kept += sorted(here, key=lambda i: -results[i]["score"])[:maximum]
    ap: dict[tuple[str, int], list[float | None]] = {}
    ar: dict[tuple[str, int], list[float | None]] = {}
    for category in sorted(truth["categories"], key=lambda one: one["id"]):
        number = category["id"]
        for name, limits in AREAS.items():
            for threshold in OVERLAPS:
                found, total = [], 0
                for image in sorted(truth["images"], key=lambda one: one["id"]):
                    key = (image["id"], number)
                    objects = [one for one in truth["annotations"] if place(one) == key]
                    if not objects and number not in image["neg_category_ids"]:
                        continue
                    answers = [(results[i], areas[i]) for i in kept if place(results[i]) == key]
                    answers.sort(key=lambda pair: -pair[0]["score"])
                    open_world = number in image["not_exhaustive_category_ids"]
                    size = (image["height"], image["width"])
                    found += matched(objects, answers, kind, limits, threshold, open_world, size)
                    total += sum(limits[0] <= one["area"] <= limits[1] for one in objects)
                precision, recall = curve(found, total) if total else (None, None)
                ap.setdefault((name, number), []).append(precision)
                ar.setdefault((name, number), []).append(recall)
    groups = {one["id"]: one["frequency"] for one in truth["categories"]}

    def mean(source: Any, area: str, chosen: Any = slice(None), letter: str = "rcf") -> float:
        known = [
            value
            for (name, number), values in source.items()
            if name == area and groups[number] in letter
            for value in values[chosen]
            if value is not None
        ]
        return float(np.mean(known)) if known else -1.0

    sizes = ("small", "medium", "large")
    return {
        "AP": mean(ap, "all"),
        "AP50": mean(ap, "all", slice(0, 1)),
        "AP75": mean(ap, "all", slice(5, 6)),
        **{f"AP_{size}": mean(ap, size) for size in sizes},
        **{
            f"AP_{name}": mean(ap, "all", letter=letter)
            for name, letter in (("rare", "r"), ("common", "c"), ("frequent", "f"))
        },
        f"AR{maximum}": mean(ar, "all"),
        **{f"AR_{size}": mean(ar, size) for size in sizes},
    }


def place(one: Json) -> tuple[int, int]:
    """Ids of the image and of the category."""
    return one["image_id"], one["category_id"]


def matched(
    objects: list[Json],
    answers: list[tuple[Json, float]],
    kind: str,
    limits: tuple[float, float],
    threshold: float,
    open_world: bool,
    size: tuple[int, int],
) -> list[tuple[float, bool]]:
    """Score and correctness of the answers that count, for a category in an image."""
    inside = [limits[0] <= one["area"] <= limits[1] for one in objects]
    taken = [False] * len(objects)
    counted = []
    for answer, area in answers:
        best, best_overlap = None, min(threshold, 1 - 1e-10)
        # An object of the wanted size is preferred to any other, whatever their overlaps.
        for wanted in (True, False):
            for i, one in enumerate(objects):
                if inside[i] != wanted or taken[i]:
                    continue
                overlap = iou(answer, one, kind, size)
                if overlap >= best_overlap:
                    best, best_overlap = i, overlap
            if best is not None:
                break
        if best is not None:
            taken[best] = True
            if inside[best]:
                counted.append((answer["score"], True))
        elif limits[0] <= area <= limits[1] and not open_world:
            counted.append((answer["score"], False))
    return counted


def curve(found: list[tuple[float, bool]], total: int) -> tuple[float, float]:
    """Mean of the interpolated precision at 101 recalls, and the largest recall."""
    right = np.array([one for _, one in sorted(found, key=lambda pair: -pair[0])], dtype=bool)
    hits = np.cumsum(right)
    precision = hits / (np.arange(len(right)) + 1)
    recall = hits / total
    values = [max(precision[recall >= level], default=0.0) for level in RECALLS]
    return float(np.mean(values)), float(recall[-1]) if len(recall) else 0.0


def iou(answer: Json, one: Json, kind: str, size: tuple[int, int]) -> float:
    """Overlap of two boxes or of two masks, of whose pixels each is decoded."""
    if kind == "segm":
        first, second = (pixels(x["segmentation"], size) for x in (answer, one))
        union = (first | second).sum()
        return float((first & second).sum() / union) if union else 0.0
    (ax, ay, aw, ah), (bx, by, bw, bh) = answer["bbox"], one["bbox"]
    width = min(ax + aw, bx + bw) - max(ax, bx)
    height = min(ay + ah, by + bh) - max(ay, by)
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (aw * ah + bw * bh - width * height)


def pixels(segmentation: Any, size: tuple[int, int]) -> np.ndarray:
    """The mask of polygons or of run lengths, packed or not."""
    if isinstance(segmentation, list):
        segmentation = mask_tools.merge(mask_tools.frPyObjects(segmentation, *size))
    elif isinstance(segmentation["counts"], list):
        segmentation = mask_tools.frPyObjects(segmentation, *size)
    return mask_tools.decode(segmentation).astype(bool)
