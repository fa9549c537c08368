"""A tiny dataset in exactly the layout of KITTI's object benchmark."""

import math
from pathlib import Path

import numpy as np
import torch
from helpers.pictures import texture
from PIL import Image

from vision.annotations.kitti import CLASSES, KittiObjects, write_objects
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import from_kitti, observation_angle

# A tenth of KITTI's, with the offset of its left colour camera.
SIZE = (38, 124)
P2 = np.array([[72.0, 0, 61.0, 4.5], [0, 72.0, 17.3, 0.02], [0, 0, 1, 0.0027]])
# Height, width, length, x, y, z of the bottom, rotation_y. The car counts as a moderate object.
CAR = (1.5, 1.6, 3.9, 0.2, 0.75, 5.4, -1.6)
CYCLIST = (1.7, 0.6, 1.8, 1.4, 0.8, 4.0, 1.2)
VAN = (1.9, 1.8, 4.5, -3.0, 0.9, 12.0, 0.3)
OPTIONS = {"image_size": [32, 96]}


def calibration(projection: np.ndarray = P2) -> str:
    """A calibration as KITTI writes it."""
    lines = {
        **{f"P{i}": projection if i == 2 else projection * [1, 1, 1, 0] for i in range(4)},
        "R0_rect": np.eye(3),
        "Tr_velo_to_cam": np.array([[0, -1, 0, 0.0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]]),
        "Tr_imu_to_velo": np.eye(4)[:3],
    }
    rows = [f"{k}: {' '.join(f'{x:.12e}' for x in v.flatten())}" for k, v in lines.items()]
    return "\n".join(rows) + "\n\n"


def objects_of(
    rows: list[tuple[str, tuple[float, ...]]], projection: np.ndarray = P2
) -> KittiObjects:
    """Labels of boxes in space; what they are in the image follows from the camera."""
    numbers = torch.tensor([row for _, row in rows], dtype=torch.float64).reshape(-1, 7)
    boxes3d = from_kitti(numbers)
    whole, _ = project_boxes(boxes3d, torch.from_numpy(projection))
    height, width = SIZE
    limit = torch.tensor([width - 1, height - 1, width - 1, height - 1])
    cut = whole.clamp(min=torch.zeros(4)).minimum(limit)
    areas = [(box[:, 2:] - box[:, :2]).prod(dim=1) for box in (cut, whole)]
    return KittiObjects(
        classes=np.array([CLASSES.index(name) for name, _ in rows], dtype=np.int64),
        truncation=(1 - areas[0] / areas[1]).numpy(),
        occlusion=np.zeros(len(rows)),
        alpha=observation_angle(boxes3d).numpy(),
        boxes=cut.numpy(),
        sizes=numbers[:, :3].numpy(),
        locations=numbers[:, 3:6].numpy(),
        rotation=numbers[:, 6].numpy(),
        scores=np.full(len(rows), math.nan),
    )


def region() -> str:
    """The line of a region without annotations, as KITTI writes it."""
    return "DontCare -1 -1 -10 10.00 5.00 20.00 9.00 -1 -1 -1 -1000 -1000 -1000 -10\n"


def write_kitti_objects(root: Path, *, train: int = 3, val: int = 2, test: int = 1) -> Path:
    """Write a few images with a car, a cyclist, a van and a region each; no lidar."""
    names = [f"{i:06d}" for i in range(train + val)]
    lists = {"train": names[:train], "val": names[train:], "trainval": names}
    lists["test"] = [f"{i:06d}" for i in range(test)]
    for part in ("training", "testing"):
        for name in lists["trainval" if part == "training" else "test"]:
            folder, i = root / part, int(name)
            for kind in ("image_2", "calib", "label_2"):
                if kind != "label_2" or part == "training":
                    (folder / kind).mkdir(parents=True, exist_ok=True)
            pixels = texture(*SIZE, seed=i + (100 if part == "testing" else 0))
            Image.fromarray(pixels).save(folder / "image_2" / f"{name}.png")
            (folder / "calib" / f"{name}.txt").write_text(calibration())
            if part == "training":
                car = (*CAR[:5], CAR[5] + 0.1 * i, CAR[6])
                rows = [("Car", car), ("Cyclist", CYCLIST), ("Van", VAN)]
                text = write_objects(objects_of(rows)) + region()
                (folder / "label_2" / f"{name}.txt").write_text(text)
    (root / "ImageSets").mkdir(exist_ok=True)
    for split, members in lists.items():
        (root / "ImageSets" / f"{split}.txt").write_text("".join(f"{n}\n" for n in members))
    return root
