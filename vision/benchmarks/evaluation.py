"""COCO's evaluation of boxes and masks beside pycocotools', on composed images of 480 x 640."""

import contextlib
import copy
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from vision.benchmarks.measurement import check_equal
from vision.benchmarks.timing import Times, times
from vision.metrics.coco.evaluation import Kind, evaluate_coco

HEIGHT, WIDTH = 480, 640
CATEGORIES, OBJECTS = 80, 8
CORNERS = 40
# The numbers are those of pycocotools to this share of 1.
TOLERANCE = 1e-12
Json = dict[str, Any]


class Compared(NamedTuple):
    """Times of both sides, and what apart their numbers are.

    Attributes:
        ours: Of `evaluate_coco`, with its checks of annotations and results.
        theirs: Of pycocotools, from the same dictionaries.
        difference: Largest difference of the twelve numbers.
    """

    ours: Times
    theirs: Times
    difference: float


def compare_evaluation(
    images: int, detections: int, masks: bool, *, rounds: int = 1, warmup: int = 0
) -> Compared:
    """Evaluate composed detections by both, in turn.

    Args:
        images: Number of images, of 8 objects in 80 categories each.
        detections: Number of detections of each image, half of them of an object's category.
        masks: Whether masks are compared, as run lengths, in place of boxes.
        rounds: Measured evaluations of each.
        warmup: Evaluations of each before them.

    Raises:
        UnequalSidesError: Their numbers differ by more than 1e-12.
    """
    truth, results = compose(images, detections, masks=masks)
    kind: Kind = "segm" if masks else "bbox"
    own = copy.deepcopy((truth, results))  # pycocotools writes into what it is given
    stats: dict[str, np.ndarray] = {}

    def ours() -> None:
        stats["ours"] = evaluate_coco(truth, results, kinds=(kind,)).stats[kind]

    def theirs() -> None:
        stats["theirs"] = _by_pycocotools(*own, kind)

    own_times, their_times = times(
        (ours, theirs), torch.device("cpu"), rounds=rounds, warmup=warmup
    )
    difference = check_equal(stats["ours"], stats["theirs"], tolerance=TOLERANCE, what="COCO")
    return Compared(own_times, their_times, difference)


def compose(images: int, detections: int, *, masks: bool) -> tuple[Json, list[Json]]:
    """Objects with wavy outlines, and detections near them.

    Args:
        images: Number of images.
        detections: Number of detections of each.
        masks: Whether detections have masks beside their boxes; objects always do.

    Returns:
        Annotations and results in COCO's format, the same for the same arguments.
    """
    rng = np.random.default_rng(0)
    truth: Json = {
        "images": [{"id": i + 1, "height": HEIGHT, "width": WIDTH} for i in range(images)],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(CATEGORIES)],
        "annotations": [],
    }
    results: list[Json] = []
    for image in range(1, images + 1):
        shapes = np.column_stack(
            [
                rng.uniform(0, WIDTH, OBJECTS),
                rng.uniform(0, HEIGHT, OBJECTS),
                *np.exp(rng.uniform(np.log(8), np.log(150), (2, OBJECTS))),
                rng.uniform(0, 6, OBJECTS),
            ]
        )
        labels = rng.integers(CATEGORIES, size=OBJECTS) + 1
        for outline, label in zip(_outlines(shapes), labels.tolist(), strict=True):
            box = _box(outline)
            one = {"id": len(truth["annotations"]) + 1, "image_id": image, "category_id": label}
            one |= {"bbox": box, "area": 0.75 * box[2] * box[3] + 1, "iscrowd": 0}
            truth["annotations"].append({**one, "segmentation": [outline.ravel().tolist()]})
        near = rng.integers(OBJECTS, size=detections)
        moved = shapes[near]
        reach = np.column_stack([*moved[:, 2:4].T * 0.15, *moved[:, 2:4].T * 0.1])
        moved[:, :4] += rng.normal(size=reach.shape) * reach
        moved[:, 2:4] = np.abs(moved[:, 2:4]).clip(min=2)
        other = rng.integers(CATEGORIES, size=detections) + 1
        found = np.where(rng.random(detections) < 0.5, labels[near], other)
        results += _results(image, _outlines(moved), found, rng.random(detections), masks=masks)
    return truth, results


def _outlines(shapes: np.ndarray) -> np.ndarray:
    """Corners `(N, CORNERS, 2)` of shapes `(N, 5)`: centre, radii and phase."""
    x, y, width, height, phase = shapes.T[:, :, None]
    angle = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    radius = 1 + 0.15 * np.sin(3 * angle + phase) + 0.08 * np.sin(7 * angle + 2 * phase)
    points = x + width * radius * np.cos(angle), y + height * radius * np.sin(angle)
    return np.stack(points, axis=-1).clip(0, (WIDTH, HEIGHT)).round(2)


def _box(outline: np.ndarray) -> list[float]:
    low, high = outline.min(axis=0), outline.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _results(
    image: int, outlines: np.ndarray, labels: np.ndarray, scores: np.ndarray, *, masks: bool
) -> list[Json]:
    from pycocotools import mask as mask_tools

    ready: list[Json] = [
        {"image_id": image, "category_id": label, "score": score, "bbox": _box(outline)}
        for outline, label, score in zip(outlines, labels.tolist(), scores.tolist(), strict=True)
    ]
    if masks:
        flat = [outline.ravel().tolist() for outline in outlines]
        packed = mask_tools.frPyObjects(flat, HEIGHT, WIDTH)
        for one, mask in zip(ready, packed, strict=True):
            one["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": mask["counts"].decode()}
    return ready


def _by_pycocotools(truth: Json, results: Sequence[Json], kind: str) -> np.ndarray:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        objects = COCO()
        objects.dataset = truth
        objects.createIndex()
        evaluation = COCOeval(objects, objects.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats
