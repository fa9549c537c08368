"""The fully convolutional head against mmsegmentation's with the same weights."""

import pytest
import torch
from helpers.mmseg_heads import check_against_mmseg, needs_mmseg
from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.segmentation.fcn import FCNHead

SPECS = (FeatureSpec(4, 8), FeatureSpec(6, 16), FeatureSpec(8, 32))


@needs_mmseg
@pytest.mark.parametrize("concat_input", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("num_convs", [0, 1, 2])
def test_equals_mmsegmentation(num_convs: int, kernel_size: int, concat_input: bool) -> None:
    options = {"num_convs": num_convs, "kernel_size": kernel_size, "concat_input": concat_input}
    shared = {"in_channels": 8, "in_index": 0, "channels": 8, "num_classes": 5}
    check_against_mmseg("FCNHead", {**shared, **options}, (45, 70))


@pytest.mark.parametrize("level", [0, 1, 2, -1, -2, -3])
def test_level(level: int) -> None:
    head = FCNHead(SPECS, num_classes=3, channels=8, in_index=level).eval()
    assert head.stride == SPECS[level].stride
    maps = [torch.randn(1, spec.channels, 64 // spec.stride, 2) for spec in SPECS]
    logits = head(maps)["logits"]
    assert logits.shape == (1, 3, *maps[level].shape[2:])
    for i, x in enumerate(maps):
        x.zero_()
        changed = not torch.equal(head(maps)["logits"], logits)
        assert changed == (i >= level % 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"in_index": 3}, ("in_index=3", "3 maps")),
        ({"in_index": -4}, ("in_index=-4",)),
        ({"num_convs": -1}, ("num_convs", "-1")),
        ({"kernel_size": 2}, ("kernel_size", "2")),
        ({"num_convs": 0, "channels": 4}, ("channels=8", "4")),
    ],
)
def test_mistakes(options: dict[str, int], message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        FCNHead(SPECS, num_classes=3, **options)
