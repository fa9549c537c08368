"""Training batches of boxes in space: boxes are rebuilt from what is learned."""

import numpy as np
import torch
from helpers.tiny_monocular import CAMERA, ORIGINAL, tiny_target

from vision.draw.detection3d_cells import rebuild_boxes, train_cells
from vision.draw.figure import class_color
from vision.draw.train_batches import TrainBatch
from vision.ops.box_projection import project_boxes
from vision.ops.boxes3d import wrap_angle

BOXES = torch.tensor([[2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4], [-6, 0.8, 25, 0.8, 1.8, 0.6, -2.5]])
SIZE = torch.tensor(ORIGINAL)


def test_boxes_are_those_that_targets_were_made_of() -> None:
    target = tiny_target(BOXES, torch.tensor([1, 0]), ORIGINAL)
    rebuilt = rebuild_boxes(target, CAMERA, SIZE)
    np.testing.assert_allclose(rebuilt[:, :6], BOXES[:, :6], atol=1e-4)
    assert wrap_angle(rebuilt[:, 6] - BOXES[:, 6]).abs().max() < 1e-5


def test_the_camera_of_the_file_is_scaled_to_the_input() -> None:
    # The input is half as large as what the camera projects to.
    target = tiny_target(BOXES, torch.tensor([1, 0]), ORIGINAL)
    image = torch.full((3, 188, 621), 90, dtype=torch.uint8)
    batch = {"target": [target], "camera": CAMERA[None], "camera_size": SIZE[None]}
    ((picture, text),) = train_cells(TrainBatch([image], batch, ["walker", "car"]))
    assert text == "2 objects, 12 to 25 m"
    (rectangle, _), _ = project_boxes(BOXES, CAMERA)
    _, columns = np.nonzero((picture[:, :, :512].permute(1, 2, 0).numpy() == class_color(1)).all(2))
    scale = 512 / ORIGINAL[1]
    assert abs(columns.max() - scale * rectangle[2]) <= 2
    assert abs(columns.min() - scale * rectangle[0]) <= 2


def test_an_image_without_objects_is_drawn() -> None:
    empty = tiny_target(BOXES[:0], torch.zeros(0, dtype=torch.int64), ORIGINAL)
    batch = {"target": [empty], "camera": CAMERA[None], "camera_size": SIZE[None]}
    image = torch.full((3, 96, 320), 90, dtype=torch.uint8)
    ((picture, text),) = train_cells(TrainBatch([image], batch, ["walker", "car"]))
    assert text == "no object"
    assert picture.dtype == torch.uint8
