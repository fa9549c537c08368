"""Every peer of a backbone computes what ours computes, with our weights."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY

from vision import create_backbone
from vision.benchmarks.peers.sources import PACKAGES, choose_sources
from vision.benchmarks.peers.table import PEERS, build_peer, sources_of, spread_weights
from vision.errors import ConfigError, MissingPackageError

SIDE = 64
OPTIONS: dict[str, dict[str, Any]] = {
    # No map is smaller than a window; of such maps each library has its own rule.
    "swin": {**TINY["swin"][1], "window_size": 2},
    # transformers needs more blocks in a stage than there are stages before it.
    "cvt": {**TINY["cvt"][1], "depths": (1, 2, 3), "act": "gelu"},
    "hornet": TINY["hornet_gf"][1],
}
PAIRS = [(family, source) for family, sources in PEERS.items() for source in sources]


@pytest.mark.parametrize(("family", "source"), PAIRS)
def test_outputs_of_a_peer_are_ours(family: str, source: str) -> None:
    generator = torch.Generator().manual_seed(0)
    ours = create_backbone(family, **OPTIONS.get(family) or TINY[family][1]).eval()
    peer = build_peer(source, ours, (SIDE, SIDE)).eval()
    spread_weights(ours, generator)
    images = torch.randn(2, 3, SIDE, SIDE, generator=generator)
    expected = ours.embed(images)
    assert not torch.allclose(peer(images), expected, rtol=0.1)  # other weights as yet
    peer.copy_weights(ours)
    torch.testing.assert_close(peer.eval()(images), expected, rtol=1e-4, atol=1e-5)
    # No parameter is left out of either side.
    assert sum(p.numel() for p in peer.parameters()) == sum(p.numel() for p in ours.parameters())


def test_a_backbone_is_beside_all_that_have_it() -> None:
    assert sources_of("swin_tiny") == ["timm", "torchvision", "transformers"]
    assert sources_of("hornet_tiny_gf") == ["literal"]
    assert sources_of("cvt_13", ["timm"]) == []
    assert sources_of("timm/resnet18") == []


def test_sources_are_those_asked_for_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = ("timm", "transformers")
    assert choose_sources(known, "all") == (["timm", "transformers"], [])
    assert choose_sources(known, "timm") == (["timm"], [])
    with refuses(ConfigError, "'tim'", "Did you mean 'timm'", "and all"):
        choose_sources(known, "tim")
    monkeypatch.setitem(PACKAGES, "transformers", ("no_such_package", "pip install it"))
    chosen, lines = choose_sources(known, "all")
    assert chosen == ["timm"]
    assert lines == ["not compared: transformers, not installed (pip install it)"]
    with refuses(MissingPackageError, "transformers", "pip install it"):
        choose_sources(known, "transformers")
