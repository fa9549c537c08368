"""A tiny dataset in KITTI's layout with sweeps, in which points lie on every object."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers.tiny_kitti import P2, calibration, write_kitti_objects

from vision.annotations.kitti import read_objects
from vision.contracts.boxes3d import CAMERA, LIDAR
from vision.data.formats.projections import read_calibration
from vision.ops.boxes3d import box_axes, from_kitti, move_boxes

POINTS_ON_EACH, POINTS_AROUND = 40, 300
RANGE = (0.0, -20.0, -3.0, 40.0, 20.0, 2.0)


def boxes_in_sweep(root: Path, name: str) -> torch.Tensor:
    """The boxes of the labelled objects in the frame of the lidar, regions left out."""
    objects = read_objects(root / "label_2" / f"{name}.txt", scored=False)
    numbers = np.concatenate([objects.sizes, objects.locations, objects.rotation[:, None]], axis=1)
    boxes = from_kitti(torch.from_numpy(numbers[objects.sizes[:, 0] > 0]))
    to_camera = read_calibration(root / "calib" / f"{name}.txt").lidar_to_camera
    return move_boxes(boxes, torch.from_numpy(np.linalg.inv(to_camera)), CAMERA, LIDAR)


def points_in(boxes: torch.Tensor, rng: np.random.Generator) -> np.ndarray:
    """Points within each box, float64 `(N * POINTS_ON_EACH, 3)`."""
    length, height, width = boxes[:, 3:6].unbind(1)
    sides = torch.stack([length, width, height], dim=1)
    places = torch.from_numpy(rng.uniform(-0.45, 0.45, (len(boxes), POINTS_ON_EACH, 3)))
    turned = (places * sides[:, None]) @ box_axes(boxes, LIDAR).mT
    return (turned + boxes[:, None, :3]).reshape(-1, 3).numpy()


def write_kitti_sweeps(root: Path, **counts: int) -> Path:
    """The images of `write_kitti_objects`, with a sweep for each."""
    write_kitti_objects(root, **counts)
    for part in ("training", "testing"):
        (root / part / "velodyne").mkdir()
        for path in sorted((root / part / "calib").iterdir()):
            rng = np.random.default_rng(int(path.stem))
            around = rng.uniform([-30, -15, -1.7], [38, 15, -1.5], (POINTS_AROUND, 3))
            places = [around]
            if part == "training":
                places.append(points_in(boxes_in_sweep(root / part, path.stem), rng))
            points = np.concatenate(places)
            light = rng.random((len(points), 1))
            write_sweep(
                root / part / "velodyne" / f"{path.stem}.bin", np.concatenate([points, light], 1)
            )
    return root


def write_sweep(path: Path, points: np.ndarray) -> None:
    """Write points as KITTI does."""
    path.write_bytes(points.astype("<f4").tobytes())


def write_kitti_lidar_options(root: Path) -> dict[str, Any]:
    write_kitti_sweeps(root, train=8, val=4)
    return {"root": root, "point_range": [*RANGE]}


def damage_kitti_lidar(root: Path) -> list[str]:
    training = root / "training"
    sweeps = training / "velodyne"
    (sweeps / "000000.bin").unlink()
    whole = (sweeps / "000001.bin").read_bytes()
    (sweeps / "000001.bin").write_bytes(whole[:-3])
    points = np.frombuffer((sweeps / "000002.bin").read_bytes(), "<f4").reshape(-1, 4).copy()
    points[[7, 9], 1] = np.nan
    write_sweep(sweeps / "000002.bin", points)
    points = np.frombuffer((sweeps / "000003.bin").read_bytes(), "<f4").reshape(-1, 4)
    write_sweep(sweeps / "000003.bin", points * [1000, 1000, 1000, 1])
    write_sweep(sweeps / "000004.bin", points * [1e-3, 1e-3, 1e-3, 1])
    write_sweep(sweeps / "000005.bin", points - [500, 0, 0, 0])
    (sweeps / "000006.bin").write_bytes(b"")
    (training / "calib" / "000007.txt").write_text(calibration(P2).replace("R0_rect", "R0"))
    (training / "label_2" / "000008.txt").write_text("Cra\n")
    (training / "image_2" / "000009.png").write_bytes(b"P")
    (root / "testing" / "calib" / "000000.txt").unlink()
    return [
        f"there is no sweep '{sweeps / '000000.bin'}', which is listed",
        f"000001.bin' has {len(whole) - 3:,} bytes, expected a multiple of 16",
        "000002.bin': y of point 7 (the first is 0) is nan",
        "000003.bin': its points span 6",
        "000004.bin': its points span 0.0",
        "000005.bin': none of its 420 points is within data.point_range",
        "000006.bin' is empty (0 bytes)",
        "000007.txt' has no line 'R0_rect:'",
        "000008.txt', line 1: 1 field",
        "image_2/000009.png'",
        "testing/calib/000000.txt'. Copy it there",
    ]
