"""Random ground truth and results in COCO format, and what pycocotools itself makes of them."""

import contextlib
import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pycocotools import mask as mask_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from vision.contracts.detection import DetectionPrediction

Json = dict[str, Any]


def random_case(
    seed: int, *, images: int = 4, maximum: int = 6, crowded: bool = False, masks: bool = True
) -> tuple[Json, list[Json]]:
    """Ground truth and results with what is awkward about COCO's rules.

    Args:
        seed: Seed of the random numbers.
        images: Number of images; about a third have no objects, and about a third no results.
        maximum: Largest number of objects of an image.
        crowded: Whether one image has more than 100 results of one category.
        masks: Whether the results have masks; the ground truth always does.

    Returns:
        The annotations and the results. Category ids have gaps, one category has neither objects
        nor results and one no objects; scores tie often; boxes copy or jitter those of objects, so
        that overlaps lie at and around the thresholds.
    """
    draw = np.random.default_rng(seed)
    sizes = [tuple(int(x) for x in draw.integers(40, 260, 2)) for _ in range(images)]
    ids = (draw.permutation(50)[:images] * 7 + 3).tolist()
    truth: Json = {
        "images": [
            {"id": i, "file_name": f"{i}.jpg", "height": h, "width": w}
            for i, (h, w) in zip(ids, sizes, strict=True)
        ],
        "categories": [{"id": c, "name": f"class {c}"} for c in (90, 2, 7, 40)],
        "annotations": [],
    }
    results: list[Json] = []
    for image, size in zip(ids, sizes, strict=True):
        objects = [] if draw.random() < 0.3 else range(int(draw.integers(1, maximum + 1)))
        for _ in objects:
            truth["annotations"].append(_object(draw, image, size, len(truth["annotations"]) + 1))
        if draw.random() > 0.3:
            here = [one for one in truth["annotations"] if one["image_id"] == image]
            many = 130 if crowded and not results else int(draw.integers(0, 2 * maximum))
            results += [_result(draw, image, size, here, masks, crowded) for _ in range(many)]
    order = draw.permutation(len(results))
    return truth, [results[i] for i in order]


def _box(draw: np.random.Generator, size: tuple[int, int]) -> list[float]:
    height, width = size
    w, h = draw.uniform(1, width), draw.uniform(1, height)
    box = [draw.uniform(0, width - w), draw.uniform(0, height - h), w, h]
    return [round(float(x), int(draw.integers(0, 4))) for x in box]


def _object(draw: np.random.Generator, image: int, size: tuple[int, int], number: int) -> Json:
    box, crowd = _box(draw, size), bool(draw.random() < 0.2)
    rle = _mask(draw, box, size)
    outline: Any = rle
    if crowd:  # as in COCO: runs that are not packed
        flat = mask_tools.decode(rle).ravel(order="F")
        edges = np.flatnonzero(np.diff(flat, prepend=0)).tolist()
        outline = {"size": rle["size"], "counts": np.diff([0, *edges, flat.size]).tolist()}
    elif draw.random() < 0.6:
        x, y, w, h = box
        outline = [[x, y, x + w, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h]]
        outline += [[x, y, x + w / 3, y, x, y + h / 3]] if draw.random() < 0.3 else []
    # On the limits of the ranges of areas, on both of whose sides an object counts.
    area = draw.choice([float(mask_tools.area(rle)), 32.0**2, 96.0**2, box[2] * box[3]])
    return {
        "id": number,
        "image_id": image,
        "category_id": int(draw.choice([90, 2, 7], p=[0.6, 0.3, 0.1])),
        "bbox": box,
        "area": float(area),
        "iscrowd": int(crowd),
        "segmentation": outline,
    }


def _result(
    draw: np.random.Generator,
    image: int,
    size: tuple[int, int],
    objects: list[Json],
    masks: bool,
    crowded: bool,
) -> Json:
    box, category = _box(draw, size), int(draw.choice([90, 2, 40]))
    if objects and draw.random() < 0.7:
        like = objects[int(draw.integers(len(objects)))]
        scale = draw.choice([0.0, 0.02, 0.1])
        box = [float(x) for x in np.add(like["bbox"], scale * draw.normal(size=4) * box[2])]
        box[2:] = [max(x, 0.5) for x in box[2:]]
        category = like["category_id"]
    result = {
        "image_id": image,
        "category_id": 90 if crowded and draw.random() < 0.9 else category,
        "bbox": box,
        "score": float(draw.choice([0.25, 0.5, 0.5000001, np.float32(draw.random())])),
    }
    if masks:
        result["segmentation"] = _mask(draw, box, size)
    return result


def _mask(draw: np.random.Generator, box: list[float], size: tuple[int, int]) -> Json:
    height, width = size
    rows, columns = np.ogrid[:height, :width]
    x, y, w, h = box
    mask = (columns >= x) & (columns < x + w) & (rows >= y) & (rows < y + h)
    if draw.random() < 0.3:
        mask &= draw.random((height, width)) < 0.9
    rle = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(x) for x in rle["size"]], "counts": rle["counts"].decode()}


def judge(
    truth: Json | Path | str,
    results: list[Json] | str,
    kind: str,
    image_ids: list[int] | None = None,
) -> tuple[np.ndarray, list[str]]:
    """The twelve numbers of pycocotools, used as its authors do, and the lines that it prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        if isinstance(truth, dict):
            objects = COCO()
            objects.dataset = copy.deepcopy(truth)
            objects.createIndex()
        else:
            objects = COCO(str(truth))
        if results:
            found = objects.loadRes(copy.deepcopy(results))
        else:  # loadRes looks at the first of the results
            found = COCO()
            found.dataset = {**copy.deepcopy(objects.dataset), "annotations": []}
            found.createIndex()
        evaluation = COCOeval(objects, found, kind)
        if image_ids is not None:
            evaluation.params.imgIds = image_ids
        evaluation.evaluate()
        evaluation.accumulate()
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            evaluation.summarize()
    return evaluation.stats, shown.getvalue().splitlines()


def predictions_of(
    truth: Json, results: list[Json], *, masks: bool
) -> tuple[list[int], list[DetectionPrediction]]:
    """The same results as a detector gives them: per image, float32, classes from 0."""
    labels = {one["id"]: label for label, one in enumerate(truth["categories"])}
    ids = [image["id"] for image in truth["images"]]
    predictions = []
    for image in truth["images"]:
        found = [one for one in results if one["image_id"] == image["id"]]
        boxes = torch.tensor([one["bbox"] for one in found], dtype=torch.float32).reshape(-1, 4)
        prediction: DetectionPrediction = {
            "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1),
            "labels": torch.tensor([labels[one["category_id"]] for one in found]).long(),
            "scores": torch.tensor([one["score"] for one in found], dtype=torch.float32),
        }
        if masks:
            shapes = [mask_tools.decode(one["segmentation"]) for one in found]
            size = (0, image["height"], image["width"])
            stack = np.stack(shapes) if shapes else np.zeros(size, np.uint8)
            prediction["masks"] = torch.from_numpy(stack).bool()
        predictions.append(prediction)
    return ids, predictions
