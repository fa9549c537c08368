"""A small detector of boxes in sweeps, and small batches of random sweeps with objects."""

from typing import Any

import torch
from helpers.tiny_detection3d import NAMES
from torch import Tensor

from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.contracts.detection3d import Boxes3DTruth
from vision.contracts.lidar import LidarBatch
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import box_axes, move_boxes, observation_angle
from vision.tasks.detection3d import Detection3D

GRID = {"cell_size": [0.5, 0.5], "point_range": [0.0, -8.0, -3.0, 16.0, 8.0, 1.0]}
# x, y, z, length, height, width, yaw of a car and of a cyclist, in the frame of the lidar.
CAR = torch.tensor([[9.0, 1.0, -1.0, 3.9, 1.6, 1.7, 0.4]])
CYCLIST = torch.tensor([[6.0, -3.0, -1.0, 1.8, 1.7, 0.6, -1.2]])
LIDAR_TO_CAMERA = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]])
CAMERA_P2 = torch.tensor([[700.0, 0, 600, 40], [0, 700, 180, 0.2], [0, 0, 1, 0.003]])
CAMERA_SIZE = torch.tensor([370, 1224])
BACKBONE = {"dim": 16, "num_heads": 2, "num_blocks": 1, "window_shape": [5, 5, 1], "group_size": 8}
NECK = {"channels": [8, 16], "depths": [0, 0], "out_channels": [8, 8]}


def tiny_lidar(*, seed: int = 0, **more: Any) -> Detection3D:
    """A model of KITTI's three classes with the same weights every time, by the seed."""
    torch.manual_seed(seed)
    reader = {"in_channels": 4, "grid": GRID, **more.pop("reader_options", {})}
    head = {"shared_channels": 8, "channels": 8, **more.pop("head_options", {})}
    settings: dict[str, Any] = {
        "backbone": "flatformer_128",
        "num_classes": 3,
        "detector": "centerpoint",
        "backbone_options": BACKBONE,
        "reader_options": reader,
        "neck_options": NECK,
        "head_options": head,
        "class_names": NAMES,
    }
    return Detection3D(**{**settings, **more})


def sure_lidar(**more: Any) -> Detection3D:
    """The small model in evaluation, which finds ten objects of a class in every sweep."""
    options = {"score_threshold": 0.0, "max_candidates": 40, "nms_threshold": 0.9}
    options |= {"max_per_class": 10, "overlap": False, **more.pop("head_options", {})}
    return tiny_lidar(head_options=options, **more).eval()


def random_sweep(generator: torch.Generator, boxes: Tensor, count: int = 300) -> Tensor:
    """Points `(P, 4)` all over the grid, and 40 in each box."""
    low, high = torch.tensor(GRID["point_range"]).split(3)
    parts = [low + (high - low) * torch.rand(count, 3, generator=generator)]
    for box in boxes:
        length, height, width = box[3:6]
        own = torch.rand(40, 3, generator=generator) - 0.5
        own = own * torch.stack([length, width, height])
        parts.append(box[:3] + own @ box_axes(box, LIDAR).mT)
    places = torch.cat(parts).clamp(min=low, max=high - 1e-3)
    return torch.cat([places, torch.rand(len(places), 1, generator=generator)], dim=1)


def lidar_batch(*, objects: int = 1, counts: tuple[int, ...] = (300, 200)) -> LidarBatch:
    """A training batch: the first sweep has a car and a cyclist, the others have nothing."""
    generator = torch.Generator().manual_seed(0)
    both, labels = torch.cat([CAR, CYCLIST]), torch.tensor([1, 2])
    own = [both[: 2 * objects], *[both[:0]] * (len(counts) - 1)]
    sweeps = [random_sweep(generator, *pair) for pair in zip(own, counts, strict=True)]
    return {
        "points": torch.cat(sweeps),
        "counts": torch.tensor([len(sweep) for sweep in sweeps]),
        "lidar_to_camera": LIDAR_TO_CAMERA.expand(len(counts), -1, -1),
        "camera": CAMERA_P2.expand(len(counts), -1, -1),
        "camera_size": CAMERA_SIZE.expand(len(counts), -1),
        "path": [f"{i:06d}.bin" for i in range(len(counts))],
        "target": [{"boxes3d": one, "labels": labels[: len(one)]} for one in own],
        "index": torch.arange(len(counts)),
    }


def lidar_truth(boxes: Tensor, names: list[str]) -> Boxes3DTruth:
    """Visible objects, in the frame of the camera."""
    moved = move_boxes(boxes, LIDAR_TO_CAMERA, LIDAR, CAMERA)
    return {
        "boxes3d": moved,
        "boxes": project_boxes(moved, CAMERA_P2)[0],
        "alpha": observation_angle(moved),
        "labels": torch.tensor([NAMES.index(name) for name in names], dtype=torch.int64),
        "names": names,
        "truncation": torch.zeros(len(boxes)),
        "occlusion": torch.zeros(len(boxes), dtype=torch.int64),
    }


def evaluated_sweeps() -> LidarBatch:
    """Two sweeps with a car and a cyclist, and with nothing."""
    batch = lidar_batch()
    del batch["target"]
    both = torch.cat([CAR, CYCLIST])
    truth = [lidar_truth(both, ["Car", "Cyclist"]), lidar_truth(CAR[:0], [])]
    return {**batch, "truth": truth}  # type: ignore[typeddict-item]
