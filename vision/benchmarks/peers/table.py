"""Which other implementation there is of which family, and its outputs beside ours."""

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from vision.backbones.base import Backbone
from vision.backbones.registry import create_backbone, family_of
from vision.benchmarks.embedding import Embedding
from vision.benchmarks.peers.base import Peer

# Source, and the module and class of it.
PEERS: dict[str, dict[str, str]] = {
    "swin": {
        "timm": "timm:TimmPeer",
        "torchvision": "torchvision:TorchvisionPeer",
        "transformers": "transformers:TransformersPeer",
    },
    "convnext": {
        "timm": "timm:TimmPeer",
        "torchvision": "torchvision:TorchvisionPeer",
        "transformers": "transformers:TransformersPeer",
    },
    "tnt": {"timm": "timm:TimmPeer"},
    "cvt": {"transformers": "transformers:CvtPeer"},
    "cswin": {"literal": "literal_cswin:LiteralCSWin"},
    "rmt": {"literal": "literal_rmt:LiteralRMT"},
    "hornet": {"literal": "literal_hornet:LiteralHorNet"},
}
SOURCES = ("timm", "torchvision", "transformers", "literal")
# What must be set on our side for the same network: CvT of transformers has another activation.
OPTIONS: dict[str, dict[str, Any]] = {"cvt": {"act": "gelu"}}


def our_side(name: str, **options: Any) -> Embedding:
    """Our side, with the options that a comparison needs.

    Args:
        name: Name of the backbone.
        **options: Further keywords of it.
    """
    return Embedding(create_backbone(name, **{**OPTIONS.get(family_of(name), {}), **options}))


def sources_of(name: str, sources: Sequence[str] = SOURCES) -> list[str]:
    """The sources that have a peer of a backbone.

    Args:
        name: Name of the backbone.
        sources: Those that are looked at.
    """
    known = PEERS.get(family_of(name), {})
    return [source for source in sources if source in known]


def build_peer(source: str, ours: Backbone, size: tuple[int, int]) -> Peer:
    """Build a peer with the sizes of a backbone and initial weights of its own.

    Args:
        source: One of those that `sources_of` lists for the backbone.
        ours: The backbone.
        size: Height and width of the images.
    """
    module, _, name = PEERS[ours.family][source].partition(":")
    peer: type[Peer] = getattr(importlib.import_module(f"vision.benchmarks.peers.{module}"), name)
    return peer(ours, size)


@torch.no_grad()
def spread_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Move vectors of weights and statistics away from their initial values.

    Fresh biases are zero, norms one, and scales of branches 1e-6, so that wrong ones would show in
    no output.
    """
    for parameter in module.parameters():
        if parameter.ndim <= 1:
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.2)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.copy_(torch.randn(norm.num_features, generator=generator) / 10)
            norm.running_var.copy_(1 + torch.rand(norm.num_features, generator=generator))
