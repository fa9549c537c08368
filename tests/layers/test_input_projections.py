"""Maps of one width; the authors' are in `test_parity_heads.py`."""

import torch
from helpers.refusals import refuses

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.layers.input_projections import InputProjections

SPECS = [FeatureSpec(4, 8), FeatureSpec(6, 16)]


def tiny(**options: int) -> InputProjections:
    torch.manual_seed(0)
    return InputProjections(SPECS, dim=32, owner="Head", **{"num_levels": 4, **options})


@torch.no_grad()
def test_coarser_maps_are_made_one_of_the_other() -> None:
    layer = tiny()
    maps = layer([torch.randn(1, 4, 9, 12), torch.randn(1, 6, 5, 6)])
    assert [x.shape[1:] for x in maps] == [(32, 9, 12), (32, 5, 6), (32, 3, 3), (32, 2, 2)]
    torch.testing.assert_close(maps[3], layer.coarser[1](maps[2]))


@torch.no_grad()
def test_a_pyramid_may_have_all_maps() -> None:
    layer = tiny(num_levels=2)
    features = [torch.randn(1, 4, 9, 12), torch.randn(1, 6, 5, 6)]
    for x, projected in zip(features, layer(features), strict=True):
        assert projected.shape[-2:] == x.shape[-2:]


def test_more_maps_than_levels() -> None:
    with refuses(ConfigError, "num_levels=1", "2 maps", "[8, 16]", "neck_options.strides"):
        tiny(num_levels=1)
