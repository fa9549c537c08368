"""SegFormer's head against mmsegmentation's with the same weights."""

import pytest
import torch
from helpers.mmseg_heads import check_against_mmseg, needs_mmseg

from vision.contracts.features import FeatureSpec
from vision.heads.segmentation.segformer import SegFormerHead

OPTIONS = {"in_channels": [4, 6, 8, 10], "in_index": [0, 1, 2, 3], "channels": 12}


@needs_mmseg
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(33, 57), (84, 107)])
def test_equals_mmsegmentation(size: tuple[int, int], align_corners: bool) -> None:
    options = {**OPTIONS, "align_corners": align_corners, "num_classes": 5}
    check_against_mmseg("SegformerHead", options, size)


def test_parameters_of_the_published_head() -> None:
    """Those of the configuration of MiT-B0 on ADE20K, worked out by hand."""
    specs = [FeatureSpec(width, 4 << i) for i, width in enumerate((32, 64, 160, 256))]
    with torch.device("meta"):
        head = SegFormerHead(specs, num_classes=150)
    projections = 512 * 256 + 4 * 2 * 256
    fusion = 4 * 256 * 256 + 2 * 256
    assert sum(p.numel() for p in head.parameters()) == projections + fusion + 256 * 150 + 150
