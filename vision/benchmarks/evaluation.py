"""COCO's evaluation of boxes and masks beside pycocotools', on composed images of 480 x 640."""

import contextlib
import copy
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vision.benchmarks.measurement import Measurement, check_equal
from vision.benchmarks.memory import in_fresh_process, peak_growth
from vision.benchmarks.results import Table
from vision.metrics.coco.evaluation import Kind, evaluate_coco

HEIGHT, WIDTH = 480, 640
CATEGORIES, OBJECTS = 80, 8
CORNERS = 40
# The numbers are those of pycocotools to this share of 1.
TOLERANCE = 1e-12
NAMES: dict[Kind, str] = {"bbox": "boxes", "segm": "masks"}
Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """Settings of the measurement.

    Attributes:
        kinds: `"bbox"`, `"segm"` or both: what is compared, boxes or masks as run lengths.
        images: Number of images, of 8 objects in 80 categories each.
        detections: Number of detections of each image, half of them of an object's category.
        rounds: Measured evaluations of each side.
        warmup: Evaluations of each before them.
    """

    kinds: Sequence[Kind]
    images: int
    detections: int
    rounds: int
    warmup: int


class Evaluation:
    """Composed detections, and both sides' evaluation of them.

    Args:
        kind: What is compared.
        settings: What is measured.
    """

    def __init__(self, kind: Kind, settings: Settings) -> None:
        self.kind: Kind = kind
        self.given = compose(settings.images, settings.detections, masks=kind == "segm")
        # pycocotools writes into what it is given.
        self.own = copy.deepcopy(self.given)
        self.stats: dict[str, np.ndarray] = {}

    def ours(self) -> None:
        """Evaluate by `evaluate_coco`."""
        self.stats["ours"] = evaluate_coco(*self.given, kinds=(self.kind,)).stats[self.kind]

    def theirs(self) -> None:
        """Evaluate by pycocotools."""
        self.stats["theirs"] = _by_pycocotools(*self.own, self.kind)

    def compare(self) -> float:
        """The largest difference of the twelve numbers of both, of which each has run.

        Raises:
            UnequalSidesError: They differ by more than 1e-12.
        """
        sides = self.stats["ours"], self.stats["theirs"]
        return check_equal(*sides, tolerance=TOLERANCE, what=f"COCO's {self.kind}")


def measure_evaluation(settings: Settings) -> Table:
    """Compare the numbers of both sides, then their time and peak memory.

    Raises:
        UnequalSidesError: The numbers differ by more than 1e-12.
    """
    measured = Measurement("COCO's evaluation beside pycocotools'")
    for kind in settings.kinds:
        label = f"{NAMES[kind]}, {settings.images:,} images x {settings.detections}"
        both = Evaluation(kind, settings)
        both.ours()
        both.theirs()
        measured.compare(
            label,
            both.ours,
            both.theirs,
            rounds=settings.rounds,
            warmup=settings.warmup,
            peer="pycocotools",
            of="evaluation",
            difference=both.compare(),
        )
        peaks = [in_fresh_process(_growth, kind, settings, side) for side in ("ours", "theirs")]
        measured.add_counts(f"{label}, peak", "MiB", peaks, "pycocotools")
    return measured.table()


def _growth(kind: Kind, settings: Settings, side: str) -> float:
    """MiB by which an evaluation makes a new process grow, beside what it is given."""
    return peak_growth(getattr(Evaluation(kind, settings), side))


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
