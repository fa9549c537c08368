"""UPerNet's head against mmsegmentation's with the same weights."""

import pytest
import torch
from helpers.mmseg_heads import check_against_mmseg, needs_mmseg
from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.upernet import UPerHead

OPTIONS = {"in_channels": [4, 6, 8, 10], "in_index": [0, 1, 2, 3], "channels": 12}


@needs_mmseg
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(33, 57), (84, 107), (128, 96)])
def test_equals_mmsegmentation(size: tuple[int, int], align_corners: bool) -> None:
    pool_scales = (1, 2, 3, 6) if size[0] % 2 else (1, 4)
    options = {**OPTIONS, "pool_scales": pool_scales, "align_corners": align_corners}
    check_against_mmseg("UPerHead", {**options, "num_classes": 5}, size)


def test_parameters_of_the_published_head() -> None:
    """Those of the configuration of Swin-T on ADE20K, worked out by hand."""
    specs = [FeatureSpec(96 << i, 4 << i) for i in range(4)]
    with torch.device("meta"):
        head = UPerHead(specs, num_classes=150)
    norms = 2 * 512
    pools = 4 * (768 * 512 + norms)
    laterals = (96 + 192 + 384) * 512 + 3 * norms
    convs = (768 + 4 * 512) * 512 * 9 + 3 * 512 * 512 * 9 + 4 * 512 * 512 * 9 + 5 * norms
    classifier = 512 * 150 + 150
    assert sum(p.numel() for p in head.parameters()) == pools + laterals + convs + classifier


def test_a_grid_without_cells() -> None:
    with refuses(ConfigError, "pool_scales", "(0, 2)"):
        UPerHead([FeatureSpec(4, 4)], num_classes=3, pool_scales=(0, 2))


def test_without_pooling() -> None:
    head = UPerHead([FeatureSpec(4, 4)], num_classes=3, channels=8, pool_scales=()).eval()
    assert head([torch.randn(1, 4, 5, 5)])["logits"].shape == (1, 3, 5, 5)
