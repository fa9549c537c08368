"""Pictures of boxes in space, read back from the pixels."""

import math

import numpy as np
import torch
from helpers.refusals import refuses
from helpers.tiny_monocular import CAMERA, ORIGINAL
from torch import Tensor

from vision.draw.boxes3d import GAP, LIGHT, draw_boxes3d
from vision.draw.figure import class_color
from vision.errors import ConfigError
from vision.ops.box_projection import project_boxes, project_points

NAMES = ["Pedestrian", "Car"]
GREY = torch.full((3, *ORIGINAL), 90, dtype=torch.uint8)
TOP = (round(0.4 * ORIGINAL[1]) - ORIGINAL[0]) // 2  # the view from above is higher


def boxes(*rows: list[float]) -> Tensor:
    return torch.tensor(rows).reshape(-1, 7)


def draw(found: Tensor, labels: list[int], image: Tensor = GREY, **options) -> np.ndarray:
    projection = options.pop("projection", CAMERA)
    own = torch.tensor(labels, dtype=torch.int64)
    return draw_boxes3d(image, found, projection, labels=own, class_names=NAMES, **options)


def wires(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Where a colour is in the image, without its surroundings."""
    return (picture[TOP : TOP + ORIGINAL[0], : ORIGINAL[1]] == color).all(axis=2)


def test_wires_enclose_the_projected_box_and_leave_its_faces_open() -> None:
    car = boxes([2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4])
    picture = draw(car, [1])
    assert picture.dtype == np.uint8
    found = wires(picture, class_color(1))
    (rectangle,), _ = project_boxes(car, CAMERA)
    x1, y1, x2, y2 = rectangle.tolist()
    rows, columns = np.nonzero(found)
    # The name stands above it.
    assert abs(columns.min() - x1) <= 2
    assert abs(columns.max() - x2) <= 2
    assert abs(rows.max() - y2) <= 2
    inside = found[round(y1) : round(y2), round(x1) : round(x2)]
    assert 0.02 < inside.mean() < 0.35
    # The same box from above.
    assert (picture[:, ORIGINAL[1] + GAP :] == class_color(1)).all(axis=2).sum() > 20


def test_the_front_has_diagonals() -> None:
    # On a diagonal of the face that is nearer, at 10 m, away from all edges.
    (x, y) = project_points(torch.tensor([[1.6, 0.6, 10.0]]), CAMERA)[0][0].tolist()
    found = []
    for yaw in (-math.pi / 2, math.pi / 2):  # away from the camera, and to it
        seen = wires(draw(boxes([2.0, 1.0, 12.0, 4.0, 1.6, 1.6, yaw]), [1]), class_color(1))
        found.append(seen[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].any())
    assert found == [False, True]


def test_a_box_beside_the_camera_is_cut_and_one_behind_is_not_drawn() -> None:
    beside = wires(draw(boxes([2.2, 1.0, 1.5, 4.4, 1.5, 1.7, -1.57]), [1]), class_color(1))
    assert beside[:, -1].any() or beside[-1].any()
    assert not beside[:, :640].any()
    behind = draw(boxes([0.0, 1.0, -10.0, 4.0, 1.5, 1.7, 0.0]), [1])
    assert not wires(behind, class_color(1)).any()
    lost = draw(boxes([0.0, 1.0, math.nan, 4.0, 1.5, 1.7, 0.0]), [1])
    assert not wires(lost, class_color(1)).any()


def test_near_boxes_hide_far_ones_whatever_their_order() -> None:
    near, far = [0.5, 1.0, 10.0, 4.0, 1.5, 1.7, 0.0], [0.0, 1.0, 12.0, 0.6, 1.8, 0.6, 0.0]
    first = draw(boxes(near, far), [1, 0])
    second = draw(boxes(far, near), [0, 1])
    np.testing.assert_array_equal(first[:, : ORIGINAL[1]], second[:, : ORIGINAL[1]])


def test_true_objects_of_the_classes_are_dashed() -> None:
    car = [2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4]
    region = [-1000.0, -1000, -1000, -1, -1, -1, -10]
    truth = {
        "boxes3d": boxes(car, [-4.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4], region),
        "labels": torch.tensor([1, -1, 1]),
    }
    dashed = wires(draw(boxes(), [], truth=truth), LIGHT)
    whole = wires(draw(boxes(car), [1]), class_color(1))
    rows, columns = np.nonzero(dashed)
    (rectangle,), _ = project_boxes(boxes(car), CAMERA)
    # One car of two: that of no class is left out.
    assert abs(columns.min() - rectangle[0]) <= 2
    assert abs(columns.max() - rectangle[2]) <= 2
    assert 0.2 * whole.sum() < len(rows) < 0.5 * whole.sum()


def test_small_images_are_enlarged_with_their_camera() -> None:
    small = torch.full((3, 94, 310), 90, dtype=torch.uint8)
    projection = CAMERA * torch.tensor([[0.25], [0.25], [1]])
    car = boxes([2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4])
    picture = draw(car, [1], small, projection=projection)
    assert picture.shape[0] == 248  # 0.4 of the width
    _, columns = np.nonzero((picture[:, :620] == class_color(1)).all(axis=2))
    (rectangle,), _ = project_boxes(car, projection)
    assert abs(columns.max() - 2 * rectangle[2]) <= 2


def test_scores_and_colours_of_a_dataset_are_shown() -> None:
    car = boxes([2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4])
    palette = np.array([[1, 2, 3], [250, 10, 60]], np.uint8)
    named = wires(draw(car, [1], palette=palette), (250, 10, 60))
    scored = wires(draw(car, [1], palette=palette, scores=torch.tensor([1.25])), (250, 10, 60))
    # The field above the box is longer with a score.
    assert scored.sum() > named.sum() + 100


def test_what_cannot_be_drawn_is_refused() -> None:
    with refuses(ConfigError, "class index 2 has no name", "2 names"):
        draw(boxes([2.0, 1.0, 12.0, 4.0, 1.5, 1.7, 0.4]), [2])
    with refuses(ConfigError, "torch.float32", "uint8 (3, H, W)"):
        draw(boxes(), [], GREY.float())
