"""Anchors, against the published formula and torchvision's generator."""

import math

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from vision.ops.anchors import anchors


def test_each_anchor_is_the_formulas() -> None:
    shapes, strides, scales, ratios = [(3, 4), (2, 2)], (4, 8), (8.0, 4.0), (0.5, 1.0, 2.0)
    levels = anchors(shapes, strides, scales=scales, aspect_ratios=ratios)
    for (height, width), stride, level in zip(shapes, strides, levels, strict=True):
        expected = []
        for y in range(height):
            for x in range(width):
                for ratio in ratios:
                    for scale in scales:
                        w, h = stride * scale / math.sqrt(ratio), stride * scale * math.sqrt(ratio)
                        cx, cy = x * stride, y * stride
                        expected.append([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
        assert level.dtype == torch.float32
        torch.testing.assert_close(level, torch.tensor(expected))


def test_they_are_torchvisions_but_for_the_rounding() -> None:
    strides, shapes = (4, 8), [(16, 20), (8, 10)]
    theirs = AnchorGenerator(((32,), (64,)), ((0.5, 1.0, 2.0),) * 2)(
        ImageList(torch.zeros(1, 3, 64, 80), [(64, 80)]), [torch.zeros(1, 1, *s) for s in shapes]
    )[0]
    ours = torch.cat(anchors(shapes, strides, scales=(8.0,), aspect_ratios=(0.5, 1.0, 2.0)))
    assert (ours - theirs).abs().max() <= 0.5


def test_known_corners() -> None:
    # The shapes of the published anchor generator for stride 4, scale 8.
    level = anchors([(1, 2)], (4,), scales=(8,), aspect_ratios=(0.5, 1, 2))[0]
    torch.testing.assert_close(level[0], torch.tensor([-22.6274, -11.3137, 22.6274, 11.3137]))
    torch.testing.assert_close(level[4], torch.tensor([-12.0, -16.0, 20.0, 16.0]))


def test_maps_and_strides_must_pair() -> None:
    with pytest.raises(ValueError, match="zip"):
        anchors([(1, 1)], (4, 8), scales=(8,), aspect_ratios=(1,))
