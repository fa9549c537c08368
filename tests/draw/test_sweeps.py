"""Sweeps from above: places of points and boxes, colours by height, training batches."""

import numpy as np
import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_detection3d import NAMES
from helpers.tiny_lidar import CAR, CYCLIST, lidar_batch

from vision.draw.figure import class_color
from vision.draw.lidar_cells import train_cells
from vision.draw.ramps import even_ramp
from vision.draw.sweeps import HEIGHTS, LONG, TRUE, draw_sweep, fit_view
from vision.draw.train_batches import TrainBatch
from vision.errors import ConfigError


def test_forward_is_up_and_left_is_left() -> None:
    view = fit_view(np.zeros((0, 2)), np.array([[0.0, -10], [40, 10]]))
    assert max(view.size) == LONG
    (ahead, left, right) = view.pixels(np.array([[30.0, 0], [10, 8], [10, -8]]))
    assert ahead[1] < left[1] == right[1]
    assert left[0] < ahead[0] < right[0]
    ends = view.pixels(np.array([[41.0, 0], [-1, 0]]))[:, 1]
    assert ends.tolist() == pytest.approx([0, LONG], abs=1)


def test_what_is_far_away_does_not_shrink_the_rest() -> None:
    near = np.array([[20.0, 3]])
    view = fit_view(near.repeat(500, axis=0), near)
    assert fit_view(near, np.array([[20.0, 3], [500, 0], [np.nan, 1]])) == view
    assert fit_view(np.concatenate([near.repeat(500, axis=0), [[90.0, 0]]]), near) == view


def test_colours_say_the_height() -> None:
    points = torch.tensor([[5.0, 0, -2], [10, 0, 0], [15, 0, 2]])
    drawn = draw_sweep(points, CAR[:0], labels=torch.zeros(0).long(), class_names=NAMES)
    view = fit_view(points[:, :2].numpy(), np.zeros((0, 2)))
    seen = [
        drawn[row + 1, column + 1]
        for column, row in view.pixels(points[:, :2].numpy()).round().astype(int)
    ]
    ramp = even_ramp(HEIGHTS)
    for color, place in zip(seen, (0, 128, 255), strict=True):
        assert np.abs(color.astype(int) - ramp[place]).max() <= 6


def test_boxes_have_their_colours_and_true_ones_are_white() -> None:
    points = torch.rand(50, 4) * 10
    both = torch.cat([CAR, CYCLIST])
    options = {"labels": torch.tensor([1, 2]), "class_names": NAMES}
    plain = draw_sweep(points, both[:0], labels=torch.zeros(0).long(), class_names=NAMES)
    drawn = draw_sweep(points, both, scores=torch.tensor([0.9, 0.8]), **options)
    for label in (1, 2):
        assert (drawn == np.array(class_color(label))).all(axis=2).sum() > 100
    true = draw_sweep(points, both[:0], labels=torch.zeros(0).long(), class_names=NAMES, truth=both)
    assert (true == np.array(TRUE)).all(axis=2).sum() > 50
    assert not (plain == np.array(TRUE)).all(axis=2).any()
    palette = np.array([[1, 2, 3], [200, 10, 20], [7, 8, 9]], np.uint8)
    own = draw_sweep(points, both, palette=palette, **options)
    assert (own == palette[1]).all(axis=2).any()
    with refuses(ConfigError, "class index 5", "3 names"):
        draw_sweep(points, CAR, labels=torch.tensor([5]), class_names=NAMES)


def test_a_sweep_without_points_is_drawn() -> None:
    drawn = draw_sweep(torch.zeros(0, 4), CAR, labels=torch.tensor([1]), class_names=NAMES)
    assert drawn.shape[2] == 3


def test_training_batches_have_their_objects() -> None:
    batch = lidar_batch()
    cells = train_cells(TrainBatch([], batch, NAMES))
    assert [text for _, text in cells] == ["380 points, 2 objects", "200 points, 0 objects"]
    assert all(picture.dtype == torch.uint8 for picture, _ in cells)
    del batch["target"]
    assert train_cells(TrainBatch([], batch, NAMES)) == []
