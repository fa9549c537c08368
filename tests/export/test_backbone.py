import pytest
import torch
from helpers.tiny_models import TINY

from vision import create_backbone
from vision.errors import ConfigError
from vision.export.backbone import BackboneGraph
from vision.layers.pixels import Normalize


def tiny(family: str = "convnext", **more: object) -> BackboneGraph:
    name, options = TINY[family]
    return BackboneGraph(create_backbone(name, **options), **more)  # type: ignore[arg-type]


@torch.no_grad()
def test_maps_and_vector_are_those_of_the_backbone() -> None:
    graph, images = tiny(), torch.randn(2, 3, 32, 48)
    maps = graph.named(graph(images))
    assert list(maps) == ["map_0", "map_1", "map_2", "map_3"]
    assert torch.equal(maps["map_3"], graph.backbone(images)[3])
    vector = BackboneGraph(graph.backbone, outputs="embedding")
    assert torch.equal(vector(images)[0], graph.backbone.embed(images))
    assert vector.axes == {"embedding": ("batch", 128)}


@torch.no_grad()
def test_a_normalisation_becomes_a_part_of_the_program() -> None:
    plain = tiny()
    spec = plain.backbone.default_input
    graph = BackboneGraph(plain.backbone, normalize=Normalize(spec.mean, spec.std))
    pixels = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    assert graph.first.dtype == torch.uint8
    assert not graph.first.normalised
    for found, expected in zip(graph(pixels), plain(plain.first.prepare(pixels)), strict=True):
        torch.testing.assert_close(found, expected)


def test_what_cannot_be_open_says_why() -> None:
    assert "windows" in tiny("swin", outputs="embedding").fixed["size"]
    assert tiny("swin").fixed == {}
    assert tiny("cswin", outputs="embedding").fixed == {}


def test_unknown_outputs_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'features'"):
        tiny(outputs="feature")
