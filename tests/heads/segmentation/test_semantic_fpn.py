"""The head of Semantic FPN against mmsegmentation's with the same weights."""

import pytest
import torch
from helpers.mmseg_heads import check_against_mmseg, needs_mmseg
from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.semantic_fpn import SemanticFPNHead

OPTIONS = {"in_index": [0, 1, 2, 3], "num_classes": 5}


@needs_mmseg
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(33, 57), (84, 107), (64, 96)])
def test_equals_mmsegmentation(size: tuple[int, int], align_corners: bool) -> None:
    options = {**OPTIONS, "in_channels": [6] * 4, "channels": 12, "align_corners": align_corners}
    check_against_mmseg("FPNHead", {**options, "feature_strides": [4, 8, 16, 32]}, size)


@needs_mmseg
def test_equals_mmsegmentation_where_the_enlargement_is_left_to_the_convolution() -> None:
    """More channels than cells."""
    options = {**OPTIONS, "in_channels": [3] * 4, "channels": 40}
    check_against_mmseg("FPNHead", {**options, "feature_strides": [4, 8, 16, 32]}, (50, 40))


def test_convolutions_of_each_scale() -> None:
    """Figure 3 of the paper: one for the finest map and for half of it, two, three."""
    head = SemanticFPNHead([FeatureSpec(256, 4 << i) for i in range(4)], num_classes=3)
    assert [len(scale) for scale in head.scales] == [1, 1, 2, 3]
    assert sum(p.numel() for p in head.parameters()) == (
        4 * 256 * 128 * 9 + 3 * 128 * 128 * 9 + 7 * 2 * 128 + 128 * 3 + 3
    )


def test_strides() -> None:
    with refuses(ConfigError, "strides", "4", "12"):
        SemanticFPNHead([FeatureSpec(6, 4), FeatureSpec(6, 12)], num_classes=3)
    head = SemanticFPNHead([FeatureSpec(6, 14)], num_classes=3, channels=8).eval()
    assert head([torch.randn(1, 6, 3, 5)])["logits"].shape == (1, 3, 3, 5)
