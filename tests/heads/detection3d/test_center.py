"""The centre head; the authors' maps and boxes are in `test_parity_heads.py`."""

from typing import Any, cast

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_centers import BOXES, perfect_outputs, tiny_center_head, tiny_objects
from torch import Tensor

from vision.contracts.boxes3d import LIDAR
from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection3d.center import CenterHead
from vision.ops.boxes3d import wrap_angle
from vision.ops.rotated_iou import ground_rectangles, paired_rotated_iou


def apart(found: Tensor, expected: Tensor) -> None:
    """Boxes agree, angles up to a turn."""
    torch.testing.assert_close(found[:, :6], expected[:, :6], rtol=1e-4, atol=1e-4)
    turn = wrap_angle(found[:, 6] - expected[:, 6])
    torch.testing.assert_close(turn, torch.zeros(len(turn)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 2])
def test_objects_are_found_where_they_are(stride: int) -> None:
    head = tiny_center_head(stride=stride)
    targets = [tiny_objects(0, 1, 2), tiny_objects(), tiny_objects(2)]
    found = head.predict(perfect_outputs(head, targets))
    for objects, target in zip(found, targets, strict=True):
        order = objects["labels"].argsort()
        assert torch.equal(objects["labels"][order], target["labels"])
        apart(objects["boxes3d"][order], target["boxes3d"])
        assert (objects["scores"] > 0.99).all()
        assert objects["boxes3d"].shape == (len(target["labels"]), 7)


def test_scores_are_corrected_by_the_expected_overlap() -> None:
    head = tiny_center_head(overlap_power=3.0, score_threshold=0.0)
    outputs = perfect_outputs(head, [tiny_objects(0, 1)])
    outputs["overlap"] = torch.where(outputs["offset"][:, :1] > 0.5, 0.5, 2.0)
    scores = head.decode(outputs)["scores"][0, :2]
    torch.testing.assert_close(scores, torch.tensor([1.0, 0.125]), rtol=1e-4, atol=1e-4)
    plain = tiny_center_head(overlap=False)
    del outputs["overlap"]
    assert (plain.decode(outputs)["scores"][0, :2] > 0.99).all()


def test_of_near_boxes_of_one_class_the_best_stays() -> None:
    head = tiny_center_head(nms_threshold=(0.3, 0.3, 1.0))
    targets = [tiny_objects(0, 1)]
    outputs = perfect_outputs(head, targets)
    near = BOXES[0].clone()
    near[0] += 0.5
    box = ground_rectangles(BOXES[:1], LIDAR), ground_rectangles(near[None], LIDAR)
    assert paired_rotated_iou(*box) > 0.5
    for label in (0, 2):
        outputs["heatmap"][0, label, 3, 5] = 1.0
    for name in ("offset", "height", "log_size", "rotation"):
        maps = cast(dict[str, Tensor], outputs)[name]
        maps[0, :, 3, 5] = maps[0, :, 3, 4]
    (found,) = head.predict(outputs)
    assert sorted(found["labels"].tolist()) == [0, 1, 2]
    assert found["scores"].tolist() == sorted(found["scores"].tolist(), reverse=True)
    assert len(tiny_center_head(nms_threshold=1.0).predict(outputs)[0]["labels"]) == 4


def test_centres_may_be_cut_to_a_range() -> None:
    limits = (0.0, -8.0, -2.0, 5.0, 8.0, 2.0)
    head = tiny_center_head(center_range=limits, max_candidates=5)
    outputs = perfect_outputs(head, [tiny_objects(0, 1, 2)])
    assert head.decode(outputs)["boxes3d"].shape == (1, 5, 7)
    assert head.predict(outputs)[0]["labels"].tolist() == [0]


def test_maps_have_one_prediction_each_and_a_gradient() -> None:
    head = tiny_center_head(velocity=True, stride=2)
    outputs = head([torch.randn(2, 6, 4, 5)])
    channels = {name: x.shape[1] for name, x in cast(dict[str, Tensor], outputs).items()}
    assert channels == {
        **{"heatmap": 3, "offset": 2, "height": 1, "log_size": 3},
        **{"rotation": 2, "velocity": 2, "overlap": 1},
    }
    total = torch.stack([x.square().sum() for x in cast(dict[str, Tensor], outputs).values()])
    total.sum().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    found = head.eval().predict(outputs)
    assert all(len(one["velocity"]) == len(one["labels"]) for one in found)
    assert "velocity" not in tiny_center_head().predict(perfect_outputs(head, [tiny_objects()]))[0]


def test_centres_are_rare_before_training() -> None:
    head = tiny_center_head()
    bias = head.predictions["heatmap"].get_parameter("output.bias")
    assert (bias == -2.19).all()
    for name in head.class_rows():
        assert head.get_parameter(name).shape[0] == 3
    norms = {name: part.eps for name, part in head.named_modules() if name.endswith("norm")}
    assert norms.pop("shared.norm") == 1e-3
    assert set(norms.values()) == {1e-5}


def test_the_published_head_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        head = CenterHead((FeatureSpec(256, 1),), num_classes=3, velocity=True)
    assert sum(parameter.numel() for parameter in head.parameters()) == 414_606


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_classes": 0}, ["num_classes=0"]),
        ({"nms_threshold": (0.5, 0.5)}, ["nms_threshold=(0.5, 0.5)", "3, one per class"]),
        ({"max_per_class": 0}, ["max_per_class=0"]),
        ({"center_range": (0, 0, 0, 0, 1, 1)}, ["center_range", "lowest"]),
        ({"score_threshold": 2}, ["score_threshold=2"]),
        ({"grid": {"cells": 3}}, ["grid.cells"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: list[str]) -> None:
    with refuses(ConfigError, *said):
        tiny_center_head(**options)
