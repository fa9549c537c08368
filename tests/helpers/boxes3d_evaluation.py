"""A small evaluation of boxes in space, made without a model: objects found with moved boxes."""

from types import SimpleNamespace
from typing import Any

import torch
from helpers.tiny_detection3d import NAMES
from helpers.tiny_monocular import CAMERA, ORIGINAL
from torch import Tensor

from vision.contracts.detection3d import Boxes3DPrediction, Boxes3DTruth
from vision.metrics.kitti.metric import KittiEvaluator
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import observation_angle

COUNT = 5


class Streets:
    """Images with two cars, image 3 with none, and a pedestrian in each."""

    def __init__(self, count: int = COUNT) -> None:
        self.paths = [f"training/image_2/{i:06}.png" for i in range(count)]

    def __len__(self) -> int:
        return len(self.paths)

    def example(self, place: int) -> Any:
        image = torch.full((3, *ORIGINAL), 20 * place, dtype=torch.uint8)
        return SimpleNamespace(image=image, camera=CAMERA, truth=street(place))


def street(place: int) -> Boxes3DTruth:
    """What is annotated in an image."""
    step = float(place)
    cars = torch.tensor(
        [[-3.0, 0.9, 12 + 4 * step, 4, 1.5, 1.7, 1.5], [4.0, 0.9, 15 + 5 * step, 4, 1.5, 1.7, -1.6]]
    )[: 0 if place == 3 else 2]
    walker = torch.tensor([[1.0, 0.8, 10 + step, 0.8, 1.8, 0.6, 0.3]])
    boxes3d = torch.cat([cars, walker])
    names = ["Car"] * len(cars) + ["Pedestrian"]
    return {
        "boxes3d": boxes3d,
        "boxes": project_boxes(boxes3d, CAMERA)[0],
        "alpha": observation_angle(boxes3d),
        "labels": torch.tensor([NAMES.index(name) for name in names]),
        "names": names,
        "truncation": torch.zeros(len(names)),
        "occlusion": torch.arange(len(names)) % 2,
    }


def moved(truth: Boxes3DTruth, by: float, seed: int) -> Boxes3DPrediction:
    """The objects, each moved ahead by a share of its depth, where they are seen."""
    boxes3d: Tensor = truth["boxes3d"].clone()
    boxes3d[:, :3] *= 1 + by
    scores = torch.rand(len(boxes3d), generator=torch.Generator().manual_seed(seed))
    return {
        "boxes3d": boxes3d,
        "boxes": truth["boxes"],
        "alpha": truth["alpha"],
        "labels": truth["labels"],
        "scores": scores,
    }


def evaluated(count: int = COUNT, *, by: float = 0.05) -> KittiEvaluator:
    """An evaluator that has seen the images; objects of later ones are found farther away."""
    evaluator = KittiEvaluator()
    for place in range(count):
        truth = street(place)
        evaluator.update(place, moved(truth, by * place, place), truth, NAMES)
    return evaluator
