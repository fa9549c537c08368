"""Measure random segments on two processes, which `answers_of_two` starts."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.random_panoptic import CATEGORIES, THINGS, Scene, random_scene
from torch import distributed

from vision.contracts.detection import DetectionPrediction
from vision.contracts.segments import SegmentInfo
from vision.metrics.coco.instances import InstanceEvaluator
from vision.metrics.panoptic import PanopticEvaluator, overlaps

# Images of each process, by position.
SHARES = {"uneven": ([0, 2, 3], [1]), "empty": ([], [3, 2, 1, 0])}
COUNT = 4


def scenes() -> list[Scene]:
    """The same random images on every process."""
    return [random_scene(seed) for seed in range(COUNT)]


def instances_of(scene: Scene) -> tuple[DetectionPrediction, list[SegmentInfo]]:
    """The predicted segments of things as instances, and the annotated segments."""
    truth, found = scene
    things = found.segments.labels < THINGS
    ids, labels = found.segments.ids[things], found.segments.labels[things]
    prediction: DetectionPrediction = {
        "boxes": torch.zeros(len(ids), 4),
        "labels": torch.from_numpy(labels),
        "scores": torch.linspace(0.9, 0.3, len(ids)),
        "masks": torch.from_numpy(found.ids[None] == ids[:, None, None]),
    }
    infos: list[SegmentInfo] = [
        {"id": one, "category_id": label, "isthing": label < THINGS, "iscrowd": crowd}
        for one, label, crowd in zip(*(x.tolist() for x in truth.segments), strict=True)
    ]
    return prediction, infos


def measured(chosen: list[int]) -> dict[str, Any]:
    """What the evaluators of all processes say, of which this one has seen some images."""
    everything = scenes()
    quality, precision = PanopticEvaluator(CATEGORIES), InstanceEvaluator(CATEGORIES)
    for i in chosen:
        truth, found = everything[i]
        quality.update(overlaps(truth.ids, found.ids), truth.segments, found.segments)
        prediction, infos = instances_of(everything[i])
        precision.update(i, prediction, torch.from_numpy(truth.ids), infos)
    names = [f"class {k}" for k in range(CATEGORIES)]
    things = np.arange(CATEGORIES) < THINGS
    result = quality.compute(names, np.arange(CATEGORIES), things, all_processes=True)
    scores = precision.compute(names, np.flatnonzero(things).tolist()).scalars()
    return {"images": result.images, "quality": result.to_json(), "precision": scores}


def run(folder: Path) -> None:
    """Write, per process, what comes of each share."""
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    answers = {name: measured(shares[rank]) for name, shares in SHARES.items()}
    (folder / f"{rank}.json").write_text(json.dumps(answers))
    distributed.destroy_process_group()


if __name__ == "__main__":
    run(Path(sys.argv[1]))
