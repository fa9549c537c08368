"""Costs of queries for objects; the authors' matches are in `test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.losses.query_matching import (
    PointFeatures,
    QueryCosts,
    QueryObjects,
    draw_point_features,
    match_layers,
    query_costs,
    read_objects,
)
from vision.ops.mask_points import sample_maps


def objects(*, masks: bool = False) -> QueryObjects:
    """Two objects and a crowd in an image of 40 x 80 pixels, none in the other."""
    shapes = torch.zeros(3, 64, 96, dtype=torch.bool)
    shapes[0, :20, :40] = True
    shapes[2, 20:40, 40:80] = True
    first: Any = {
        "boxes": torch.tensor([[0.0, 0, 40, 20], [0, 0, 80, 10], [40, 20, 80, 40]]),
        "labels": torch.tensor([2, 0, 1]),
        "iscrowd": torch.tensor([False, True, False]),
        "masks": shapes,
    }
    other: Any = {key: value[:0] for key, value in first.items()}
    batch: Any = {"target": [first, other], "size": torch.tensor([[40, 80], [64, 96]])}
    return read_objects(batch, masks=masks)


def predictions(boxes: Tensor, logits: Tensor | None = None) -> Any:
    boxes = boxes.expand(2, -1, -1)
    return {
        "boxes": boxes,
        "logits": torch.zeros(2, boxes.shape[1], 3) if logits is None else logits,
    }


def test_objects_are_shares_and_counted_without_crowds() -> None:
    found = objects(masks=True)
    torch.testing.assert_close(found.boxes[0, 2], torch.tensor([0.75, 0.75, 0.5, 0.5]))
    assert found.counts == [2, 0]
    assert found.has_crowds
    assert found.first.tolist() == [0, 3]
    assert found.masks is not None
    assert len(found.masks) == 3


def test_a_cost_by_hand() -> None:
    """Equal boxes overlap wholly; a probability of a half has log 2 in both parts."""
    box = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    log_half = 0.6931472 * 0.25
    expected = 2 * (0.25 - 0.75) * log_half - 2
    cost = query_costs(predictions(box), objects(), QueryCosts())
    assert cost.shape == (2, 1, 3)
    assert cost[0, 0, 0].item() == pytest.approx(expected)
    # Half of a box away: an overlap of a third in a hull that is filled.
    moved = query_costs(predictions(box + torch.tensor([0.25, 0, 0, 0])), objects(), QueryCosts())
    assert moved[0, 0, 0].item() == pytest.approx(expected + 5 * 0.25 + 2 * (1 - 1 / 3))


def test_pairs_of_layers() -> None:
    near = torch.tensor([[0.7, 0.7, 0.5, 0.5], [0.9, 0.1, 0.1, 0.1], [0.3, 0.2, 0.5, 0.5]])
    layers = [predictions(near), predictions(near.flip(0))]
    first, second = match_layers(layers, objects(), QueryCosts())
    assert first.image.tolist() == second.image.tolist() == [0, 0]
    assert (first.query.tolist(), first.place.tolist()) == ([0, 2], [2, 0])
    assert (second.query.tolist(), second.place.tolist()) == ([0, 2], [0, 2])


def test_masks_decide_between_equal_boxes() -> None:
    boxes = torch.full((2, 4), 0.5)
    layer = predictions(boxes)
    # Two channels: the pixels of each object.
    targets = torch.zeros(2, 3, 8)
    targets[0, 0, :4] = targets[0, 2, 4:] = 1
    features = torch.where(targets[:, [0, 2]] > 0, 5.0, -5.0)
    points = PointFeatures(features, targets)
    for codes, places in (([[1.0, 0], [0, 1]], [0, 2]), ([[0.0, 1], [1, 0]], [2, 0])):
        layer["mask_codes"] = torch.tensor(codes).expand(2, -1, -1)
        (pairs,) = match_layers([layer], objects(), QueryCosts(), points)
        assert pairs.place.tolist() == places


def test_points_are_those_of_both_masks_and_features() -> None:
    """A map that shows the masks themselves agrees with them away from their borders."""
    torch.manual_seed(0)
    found = objects(masks=True)
    assert found.masks is not None
    maps = torch.stack([found.masks[[0, 2]].float(), torch.zeros(2, 64, 96)])
    points = draw_point_features(maps, found, 500)
    assert points.targets.shape == (2, 3, 500)
    torch.testing.assert_close(points.features[0], points.targets[0, [0, 2]])
    assert not points.targets[1].any()
    # Of the valid image.
    share = 20 * 40 / (40 * 80)
    assert points.targets[0, 0].mean().item() == pytest.approx(share, abs=0.06)
    assert sample_maps(maps[:1], torch.tensor([[[0.1, 0.1]]])).flatten().tolist() == [1, 0]


def test_boxes_in_crowds() -> None:
    """The crowd is the upper quarter of the image; shares are of the box."""
    boxes = torch.tensor([[0.5, 0.1, 0.2, 0.1], [0.5, 0.25, 0.2, 0.2], [0.5, 0.25, 0.2, 0.21]])
    hidden = objects().hides(boxes.expand(2, -1, -1) - torch.tensor([0, 1e-4, 0, 0]), 0.5)
    assert hidden.tolist() == [[True, True, True], [False, False, False]]
    lower = boxes.expand(2, -1, -1) + torch.tensor([0, 0.01, 0, 0])
    assert objects().hides(lower, 0.5).tolist() == [[True, False, False], [False] * 3]


def test_costs_that_are_no_weights() -> None:
    with refuses(ConfigError, "matching.giou=-1", "0 or more"):
        QueryCosts(giou=-1)
    with refuses(ConfigError, "matching.classes", "matching.giou", "above 0"):
        QueryCosts(classes=0, box=0, giou=0, mask=1)
