import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import nn

import vision.backbones
from vision import create_backbone, list_backbones
from vision.backbones.base import Backbone
from vision.backbones.registry import (
    FAMILIES,
    check_input,
    families_of,
    family_of,
    variant_options,
)
from vision.errors import ConfigError, WeightsError
from vision.tasks import Classification

SMALL: dict[str, Any] = {"dims": (8, 16, 16, 32), "depths": (1, 1, 1, 1)}


def test_all_names_are_listed_once_in_order() -> None:
    names = list_backbones()
    assert names == sorted(set(names))
    assert {family_of(name) for name in names} == set(families_of("image"))
    assert {"swin_tiny", "cswin_base", "cvt_13", "tnt_small", "rmt_large"} <= set(names)
    assert {"hornet_tiny_7x7", "hornet_tiny_gf", "convnext_xlarge"} <= set(names)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("convnext_[st]*", ["convnext_small", "convnext_tiny"]),
        ("cvt_13", ["cvt_13"]),
        ("CVT_13", []),
        ("nothing*", []),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    assert list_backbones(pattern) == expected


@pytest.mark.parametrize("name", list_backbones())
def test_every_name_builds_its_family(name: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(name)
    assert isinstance(backbone, Backbone)
    assert backbone.family == family_of(name)
    assert backbone.training


@pytest.mark.parametrize("family", [*families_of("image"), *families_of("volume")])
def test_a_bare_family_builds_from_keywords(family: str) -> None:
    with torch.device("meta"):
        backbone = create_backbone(family, in_channels=2)
    assert backbone.get_parameter(backbone.input_conv).shape[1] == 2


def test_encoders_of_volumes_are_listed_only_when_asked_for() -> None:
    names = list_backbones(input="volume")
    assert {"swin_volume_12", "swin_volume_24_v2", "swin_volume_48"} <= set(names)
    assert not {*names} & {*list_backbones()}
    assert {family_of(name) for name in names} == set(families_of("volume"))
    with torch.device("meta"):
        encoder: nn.Module = create_backbone("swin_volume_12")
    assert not isinstance(encoder, Backbone)
    with refuses(ConfigError, "'swin_volume_49'", "Did you mean 'swin_volume_48'"):
        create_backbone("swin_volume_49")


def test_encoders_of_points_are_listed_only_when_asked_for() -> None:
    names = list_backbones(input="points")
    assert {"flatformer_128", "swin3d_large", "swin3d_small"} <= set(names)
    assert {family_of(name) for name in names} == set(families_of("points"))
    assert not {*names} & {*list_backbones(), *list_backbones(input="volume")}
    with torch.device("meta"):
        encoder: nn.Module = create_backbone("swin3d_large")
    assert not isinstance(encoder, Backbone)
    with refuses(ConfigError, "'swin3d_smal'", "Did you mean 'swin3d_small'"):
        create_backbone("swin3d_smal")


def test_a_task_refuses_what_encodes_another_input() -> None:
    with refuses(ConfigError, "Classification", "images", "swin_volume_12", "list_backbones()"):
        Classification("swin_volume_12", 3)
    for name in ("swin_tiny", "timm/resnet18"):
        with refuses(ConfigError, "Volumes", "images", name, 'input="volume"', "'swin_volume_12'"):
            check_input(name, "volume", owner="Volumes")


def test_keywords_override_those_of_the_variant() -> None:
    backbone = create_backbone("convnext_tiny", **SMALL, out_indices=(1,))
    assert backbone.embed_dim == 32
    assert len(backbone.feature_specs) == 1


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("swin_tinny", "swin_tiny"),
        ("convnext_tny", "convnext_tiny"),
        ("Swin_tiny", "swin_tiny"),
        ("convnex", "convnext"),
        ("hornet_tiny", "hornet_tiny_gf"),
    ],
)
def test_a_misspelt_name_gets_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"no backbone '{name}'.*Did you mean .*'{nearest}'"):
        create_backbone(name)


@pytest.mark.parametrize("name", ["convnext_tiny", "convnext"])
def test_a_misspelt_option_gets_the_nearest(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_backbone(name, drop_path=0.1)
    message = str(caught.value)
    assert f"backbone '{name}' has no option 'drop_path'" in message
    assert "Did you mean 'drop_path_rate'" in message
    assert len(message.splitlines()) <= 8


def test_options_of_a_variant_are_a_copy() -> None:
    options = variant_options("convnext_tiny")
    options["depths"] = (1,)
    assert variant_options("convnext_tiny")["depths"] == (3, 3, 9, 3)


def test_pretrained_takes_a_path(tmp_path: Path) -> None:
    source = create_backbone("convnext", **SMALL)
    torch.save(source.state_dict(), tmp_path / "own.pth")
    backbone = create_backbone("convnext", **SMALL, pretrained=str(tmp_path / "own.pth"))
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name])
    with refuses(WeightsError, "weights", "file"):
        create_backbone("convnext", **SMALL, pretrained=str(tmp_path / "absent.pth"))


def test_classes_are_exported_by_name() -> None:
    for row in FAMILIES.values():
        module, _, attribute = row.path.partition(":")
        exported = getattr(vision.backbones, attribute)
        assert exported is getattr(importlib.import_module(module), attribute)
        assert attribute in dir(vision.backbones)
    with pytest.raises(AttributeError, match="Swim"):
        _ = vision.backbones.Swim


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet50", "timm has it: 'timm/resnet50'"),
        ("resnet50.a1_in1k", "timm has it: 'timm/resnet50.a1_in1k'"),
        ("resnet5O", "Did you mean 'timm/resnet50'"),
        ("swin_tinny", "Did you mean 'swin_tiny'"),
    ],
)
def test_what_timm_has_is_suggested_by_its_name(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        create_backbone(name)
    assert said in str(caught.value)
