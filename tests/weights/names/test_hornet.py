"""HorNet weights: official names, resized global filters, options of the authors' classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from vision import create_backbone, load_weights
from vision.errors import ConfigError, WeightsError
from vision.weights.names.families import to_ours
from vision.weights.names.hornet import naming
from vision.weights.names.published import published_options

FIXTURES = Path(__file__).parents[2] / "fixtures" / "parity"
OPTIONS = {"dim": 16, "depths": (1, 2, 2, 1)}
GRIDS = (None, None, (6, 4), (3, 2))


def official_weights(flavour: str) -> dict[str, Tensor]:
    tensors = load_file(FIXTURES / f"hornet_{flavour}.safetensors")
    return {
        key.partition("/")[2]: tensor
        for key, tensor in tensors.items()
        if key.startswith(("state_dict/", "dense_state_dict/"))
    }


@pytest.mark.parametrize(("flavour", "grids"), [("7x7", (None,) * 4), ("gf", GRIDS)])
def test_every_official_tensor_has_a_place(flavour: str, grids: Any) -> None:
    backbone = create_backbone("hornet", **OPTIONS, global_filters=grids, out_norm=True)
    report = load_weights(backbone, official_weights(flavour))
    assert report.naming == "official"
    assert not report.missing + report.unexpected
    assert set(report.loaded) == set(backbone.state_dict())


@torch.no_grad()
def test_filters_of_another_size_respond_as_the_published_model() -> None:
    """On a map that fits neither grid the published code resizes its own grid to the same one."""
    weights = official_weights("gf")
    published = create_backbone("hornet", **OPTIONS, global_filters=GRIDS).eval()
    larger = create_backbone("hornet", **OPTIONS, global_filters=(None, None, (8, 5), (4, 3)))
    load_weights(published, weights)
    report = load_weights(larger.eval(), weights)
    assert report.resized["stages.3.0.gnconv.mix.grid"] == ((124, 3, 2, 2), (124, 4, 3, 2))
    images = torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    for actual, expected in zip(larger(images), published(images), strict=True):
        torch.testing.assert_close(actual, expected)


def test_only_filters_are_resized() -> None:
    weights = official_weights("7x7")
    weights["stages.0.0.gnconv.dwconv.weight"] = torch.zeros(24, 1, 5, 5)
    with pytest.raises(WeightsError, match="mix"):
        load_weights(create_backbone("hornet", **OPTIONS), weights)


def test_our_names_are_left_alone() -> None:
    state = create_backbone("hornet", **OPTIONS).state_dict()
    assert naming(set(state)) == "ours"
    assert to_ours("hornet", state).keys() == state.keys()


def test_gated_convolutions_are_read_per_stage() -> None:
    stages = [{"order": 2, "s": 0.5}, {"order": 3, "h": 5, "w": 5}, {"h": 6, "w": 4, "gf": True}]
    options = published_options("hornet", {"gnconv": [*stages, {"gf": True}]}).options
    assert options["orders"] == (2, 3, 5, 5)
    assert options["scales"] == (0.5, 1.0, 1.0, 1.0)
    assert options["global_filters"] == (None, None, (6, 4), (14, 8))


def test_defaults_are_those_of_the_authors_class() -> None:
    published = published_options("hornet", {})
    assert published.options["dim"] == 96
    assert published.options["depths"] == (3, 3, 9, 3)
    assert published.options["orders"] == (5, 5, 5, 5)
    with torch.device("meta"):
        create_backbone("hornet", **published.options)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"gnconv": [{"order": 2, "dilation": 2}] * 4}, "dilation"),
        ({"block": "other"}, "block"),
        ({"dims": [1, 2]}, "dims"),
    ],
)
def test_unsupported_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        published_options("hornet", options)


@pytest.mark.parametrize("source", ["timm", "huggingface"])
def test_other_libraries_have_no_hornet(source: Any) -> None:
    with pytest.raises(ConfigError, match=source):
        published_options("hornet", {}, source=source)
