"""A small model that finds boxes in space, and small batches of random images with objects."""

from typing import Any

import torch
from helpers.tiny_models import TINY as BACKBONES
from helpers.tiny_monocular import CAMERA, ORIGINAL, TINY, project, ray_angle, tiny_target

from vision.contracts.detection3d import Boxes3DBatch, Boxes3DTruth
from vision.tasks.detection3d import Detection3D

SIZE = (64, 96)
# x, y, z, length, height, width, yaw of a car and of a cyclist.
CAR = torch.tensor([[1.0, 1.5, 12.0, 3.9, 1.6, 1.7, 0.4]])
CYCLIST = torch.tensor([[-3.0, 1.2, 9.0, 1.8, 1.7, 0.6, -1.2]])
NAMES = ["Pedestrian", "Car", "Cyclist"]


def tiny_detection3d(family: str = "convnext", **more: Any) -> Detection3D:
    """A model of KITTI's three classes with the same weights every time."""
    torch.manual_seed(0)
    name, options = BACKBONES[family]
    head = {key: value for key, value in TINY.items() if key != "num_classes"}
    settings: dict[str, Any] = {
        "backbone": name,
        "num_classes": TINY["num_classes"],
        "backbone_options": options,
        "head_options": {**head, **more.pop("head_options", {})},
        "class_names": NAMES,
    }
    return Detection3D(**{**settings, **more})


def sure_detection3d(**more: Any) -> Detection3D:
    """The small model in evaluation, which finds four objects in every image."""
    options = {"score_threshold": 0.0, **more.pop("head_options", {})}
    return tiny_detection3d(head_options=options, **more).eval()


def random_batch(size: tuple[int, int] = SIZE, *, objects: int = 1) -> Boxes3DBatch:
    """A training batch of two normalised images, the first with a car, the second without."""
    generator = torch.Generator().manual_seed(0)
    sizes, originals = torch.tensor([size] * 2), torch.tensor([ORIGINAL] * 2)
    cars = [CAR[:objects], CAR[:0]]
    return {
        "image": torch.randn(2, 3, *size, generator=generator),
        "size": sizes,
        "original_size": originals,
        "path": ["a.png", "b.png"],
        "camera": CAMERA.expand(2, -1, -1),
        "camera_size": originals,
        "target": [tiny_target(one, torch.ones(len(one), dtype=torch.int64), size) for one in cars],
        "index": torch.arange(2),
    }


def annotate(boxes3d: torch.Tensor, names: list[str]) -> Boxes3DTruth:
    """Visible objects, 50 pixels wide and 60 high."""
    places, side = project(boxes3d[:, :3]), torch.tensor([25.0, 30])
    return {
        "boxes3d": boxes3d,
        "boxes": torch.cat([places - side, places + side], dim=-1),
        "alpha": boxes3d[:, 6] - ray_angle(boxes3d),
        "labels": torch.tensor([NAMES.index(name) if name in NAMES else -1 for name in names]),
        "names": names,
        "truncation": torch.zeros(len(boxes3d)),
        "occlusion": torch.zeros(len(boxes3d), dtype=torch.int64),
    }


def evaluation_batch(size: tuple[int, int] = SIZE) -> Boxes3DBatch:
    """Two normalised images with a car and a cyclist, and with a car."""
    batch = random_batch(size)
    del batch["target"]
    both = torch.cat([CAR, CYCLIST])
    truth = [annotate(both, ["Car", "Cyclist"]), annotate(CAR, ["Car"])]
    return {**batch, "truth": truth}  # type: ignore[typeddict-item]
