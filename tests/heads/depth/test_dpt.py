"""The dense head at sizes that its reference files lack; its numbers are in
`test_parity_heads.py`."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.depth.dpt import DPTHead
from vision.heads.depth.readout import DepthReadout, NormalsReadout, Readout

SPECS = [FeatureSpec(4 + i, 4 << i) for i in range(4)]


def tiny(**options: Any) -> DPTHead:
    torch.manual_seed(0)
    return DPTHead(SPECS, **{"readout": Readout(channels=2), "features": 8, **options})


def maps(height: int, width: int, *, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(
            batch, s.channels, -(-height // s.stride), -(-width // s.stride), generator=generator
        )
        for s in SPECS
    ]


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (65, 97), (70, 33)])
def test_any_size(size: tuple[int, int]) -> None:
    head, features = tiny().eval(), maps(*size)
    finest = features[0].shape[-2:]
    values = head(features)["values"]
    assert values.shape == (2, 2, 4 * finest[0], 4 * finest[1])
    assert head.stride == 1
    sides = [x.shape[-2:] for x in head.fuse(features)]
    assert sides[:-1] == [x.shape[-2:] for x in features[-2::-1]]
    # The images of a batch do not see each other.
    torch.testing.assert_close(head([x[1:] for x in features])["values"], values[1:])


def test_every_parameter_has_a_gradient() -> None:
    head = tiny().train()
    head(maps(65, 65))["values"].cos().sum().backward()
    assert [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()] == []


@torch.no_grad()
def test_what_the_outputs_stand_for() -> None:
    features = [30 * x for x in maps(64, 64)]
    depth = tiny(readout=DepthReadout(min_depth=0.5, max_depth=4.0))(features)["values"]
    assert depth.shape[1] == 1
    assert 0.5 <= depth.min() < depth.max() <= 4.0
    normals = tiny(readout=NormalsReadout())(features)["values"]
    lengths = normals.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_one_map_is_enough() -> None:
    head = DPTHead([FeatureSpec(4, 16)], readout=Readout(channels=1), features=8)
    assert head([torch.randn(1, 4, 3, 5)])["values"].shape == (1, 1, 12, 20)
    assert head.stride == 4


def test_initialised_again_in_place() -> None:
    head = tiny()
    with torch.no_grad():
        for value in head.parameters():
            value.fill_(7)
    head.reset_parameters()
    assert not any((value == 7).any() for value in head.parameters())


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"features": 7}, ("features=7", "even")),
        ({"features": 0}, ("features", "0")),
        ({"hidden_channels": 0}, ("hidden_channels", "0")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        tiny(**options)


@pytest.mark.parametrize("specs", [[], SPECS[::-1]])
def test_maps_that_do_not_fit(specs: list[FeatureSpec]) -> None:
    with refuses(ConfigError, "finest first", [spec.stride for spec in specs]):
        DPTHead(specs, readout=Readout(channels=1))
