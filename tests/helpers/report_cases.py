"""Small evaluations of each task, made without a model, for the tests of reports."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from helpers.tiny_coco import write_tiny_coco
from helpers.tiny_masks import CLASSES, COLORS, class_map, paint

from vision.callbacks.results.classification_records import ClassificationRecord
from vision.callbacks.results.detection_records import DetectionRecord
from vision.callbacks.results.evaluation_records import Record
from vision.callbacks.results.examples import choose_images
from vision.callbacks.results.segmentation_pictures import score_image
from vision.callbacks.results.segmentation_records import SegmentationRecord
from vision.data.datasets.coco import COCO
from vision.metrics.calibration import Calibration
from vision.metrics.coco.metric import PackedPrediction, coco_results, evaluate_coco
from vision.metrics.segmentation import SegmentationEvaluator
from vision.report.build import Subject
from vision.report.parts import EvaluatedData
from vision.tasks import Classification, Detection, Segmentation

# What a page must not take for markup.
EVIL = "<script>alert('1')</script>"


class Pictures:
    """A dataset of coloured squares; images have paths."""

    def __init__(self, count: int) -> None:
        self.paths = [f"set/<b>{i}.png" for i in range(count)]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": torch.full((3, 16, 16), 10 * index % 256, dtype=torch.uint8)}

    def __len__(self) -> int:
        return len(self.paths)


def classification_case(
    seed: int = 0, *, images: int = 60, names: tuple[str, ...] = ("cat", EVIL, "dog")
) -> tuple[Record, EvaluatedData]:
    """Random scores that favour the true class."""
    draw = np.random.default_rng(seed)
    label = np.random.default_rng(99).integers(0, len(names), images)
    logits = draw.normal(size=(images, len(names))) + 1.5 * np.eye(len(names))[label]
    scores = torch.tensor(logits).softmax(dim=1).float().numpy()
    predicted, place = scores.argmax(axis=1), np.arange(images)
    body = ClassificationRecord(
        place=place,
        label=label,
        predicted=predicted,
        confidence=scores.max(axis=1),
        true_score=scores[place, label],
        sampled=place,
        scores=scores,
    )
    metrics = {"val/top1": float((predicted == label).mean()), "val/loss": 0.5 + seed}
    record = Record("classification", Classification, "val", metrics, names, images, 1.0, body)
    return record, EvaluatedData(Pictures(images), None)


def detection_case(folder: Path, seed: int = 0, *, images: int = 6) -> tuple[Record, EvaluatedData]:
    """Objects of tiny_coco found with moved boxes; some missed, mistaken and invented."""
    if not (folder / "annotations").is_dir():
        write_tiny_coco(folder, images=images)
    data = COCO(root=str(folder), cache_dir=None, short_side=64, num_workers=0)
    data.setup("validate")
    index = data.val_dataset.index  # type: ignore[union-attr]
    draw, found = np.random.default_rng(seed), {}
    for place, image_id in enumerate(index.image_ids.tolist()):
        objects = index.objects(place)
        kept = draw.random(len(objects.boxes)) < 0.85
        boxes = objects.boxes[kept] + draw.normal(0, 2, (kept.sum(), 4)).astype(np.float32)
        labels = objects.labels[kept]
        labels = np.where(draw.random(len(labels)) < 0.2, (labels + 1) % 3, labels)
        boxes = np.concatenate([boxes, np.array([[1, 1, 20, 20]], np.float32)])
        found[image_id] = PackedPrediction(
            labels=np.append(labels, 0).astype(np.int32),
            scores=np.append(draw.uniform(0.4, 1, len(labels)), 0.35).astype(np.float32),
            boxes=boxes,
            size=None,
            counts=b"",
            lengths=np.zeros(0, np.int32),
        )
    results = list(coco_results(found, data.category_ids))
    result = evaluate_coco(data.ground_truth("val"), results, image_ids=list(found))
    metrics = {f"val/{name}": value for name, value in result.scalars().items()}
    body = DetectionRecord(found, result)
    names = tuple(data.class_names)
    record = Record("detection", Detection, "val", metrics, names, len(found), 1.0, body)
    return record, EvaluatedData(data.val_dataset, data)


class Masks:
    """A dataset of class maps and their pictures."""

    def __init__(self, count: int) -> None:
        self.paths = [f"val/{i}.png" for i in range(count)]

    def example(self, image: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = class_map(image)
        pixels = torch.from_numpy(paint(labels, noise=12)).permute(2, 0, 1).contiguous()
        return pixels, torch.from_numpy(labels)


def segmentation_case(seed: int = 0, *, images: int = 5) -> tuple[Record, EvaluatedData]:
    """Class maps found with a shift to the right."""
    dataset = Masks(images)
    evaluator = SegmentationEvaluator(len(CLASSES))
    scored, masks = [], {}
    for i in range(images):
        target = dataset.example(i)[1]
        found = target.roll(1 + seed + i, dims=1).clone()
        found[found == 255] = 0
        evaluator.update(found, target)
        scored.append(score_image(found, target, place=i, name=f"{i}.png"))
        masks[i] = found.numpy()
    result = evaluator.compute(CLASSES)
    draw = np.random.default_rng(seed)
    sure = draw.uniform(0.4, 1, 500)
    body = SegmentationRecord(
        result=result,
        scored=scored,
        chosen=choose_images(scored, 2),
        masks=masks,
        calibration=Calibration.of(sure, draw.random(500) < sure),
        sampled=images,
    )
    metrics = {f"val/{name}": value for name, value in result.scalars().items()}
    record = Record("segmentation", Segmentation, "val", metrics, CLASSES, images, 1.0, body)
    return record, EvaluatedData(dataset, SimpleNamespace(palette=COLORS))


def subject(folder: Path, *, run: Path | None = None) -> Subject:
    """A checkpoint of four bytes."""
    file = folder / "best.ckpt"
    file.write_bytes(b"1234")
    description: Any = {
        "task": "Task",
        "backbone": "swin_tiny",
        "hyper_parameters": {},
        "epoch": 3,
        "step": 30,
    }
    return Subject(description, 1234, {"name": "Set", "root": EVIL}, file, run)
