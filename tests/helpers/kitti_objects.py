"""Labels of KITTI whose rectangles in the image are those of their boxes."""

import numpy as np
import torch

from vision.annotations.kitti import KittiObjects, parse_objects
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import from_kitti

CAMERA = np.array([[300.0, 0, 200, 18.0], [0, 300.0, 60, 0.1], [0, 0, 1, 0.003]])
# Height, width, length, x, y, z, rotation_y: cars of one kind that drive away.
CARS = [[1.5, 1.6, 4.0, x, 1.7, z, -1.5] for x, z in ((-3.0, 12.0), (1.0, 18.0), (2.5, 30.0))]


def objects_of(rows: list[list[float]], name: str = "Car") -> KittiObjects:
    """Labels of boxes, with their rectangles in the image of `CAMERA`."""
    numbers = torch.tensor(rows, dtype=torch.float64)
    matrices = torch.from_numpy(CAMERA).expand(len(rows), 3, 4)
    rectangles = project_boxes(from_kitti(numbers), matrices)[0].tolist()
    lines = [
        " ".join(map(str, [name, 0, 0, 0, *rectangle, *row]))
        for rectangle, row in zip(rectangles, rows, strict=True)
    ]
    return parse_objects("\n".join(lines), "a test", scored=False)
