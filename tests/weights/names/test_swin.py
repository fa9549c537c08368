"""Swin weights and options of timm and transformers, against those libraries' own outputs."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError
from vision.heads.classification.linear import LinearHead
from vision.weights.names.families import family_naming, to_ours
from vision.weights.names.published import published_options

SIZES = {"embed_dim": 8, "depths": (1, 2, 2), "num_heads": (1, 2, 4), "window_size": 4}
CONFIG = {**SIZES, "image_size": 64, "num_labels": 7}
OURS = {"dim": 8, "depths": (1, 2, 2), "num_heads": (1, 2, 4), "window_size": 4}


class Classifier(nn.Module):
    def __init__(self, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LinearHead(backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


def randomised(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1 and "table" not in name and "position" not in name:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(0.5 + 0.5 * noise)
    return model.eval()


def ours_like(
    state: dict[str, Tensor], options: dict[str, Any], source: str, **overrides: Any
) -> Classifier:
    published = published_options("swin", options, source=source)
    backbone = create_backbone("swin", **{**published.options, **overrides})
    model = Classifier(backbone, published.num_classes).eval()
    report = load_weights(model, state)
    assert report.naming == source
    assert not report.missing + report.unexpected + report.reinitialised
    assert not report.resized
    return model


def images_of(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(2))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return ((actual - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("img_size", [64, 48, 32])  # last map: 4, 3 and 2 against a window of 4
@torch.no_grad()
def test_timm_model(img_size: int) -> None:
    timm_swin = pytest.importorskip("timm.models.swin_transformer")
    options = {**SIZES, "img_size": img_size, "num_classes": 7}
    theirs = randomised(timm_swin.SwinTransformer(**options))
    model = ours_like(theirs.state_dict(), options, "timm")
    images = images_of(img_size, img_size)
    assert relative_error(model(images), theirs(images)) < 1e-5
    expected = theirs.forward_intermediates(images, intermediates_only=True)
    maps = model.backbone.forward_stages(images, 3, classifier=True)
    for actual, reference in zip(maps, expected, strict=True):
        assert relative_error(actual, reference) < 1e-5


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("head_dim", 16),
        ("always_partition", True),
        ("global_pool", "max"),
        ("window_size", (4, 8)),
        ("img_size", (64, 32)),
        ("unheard_of", 1),
    ],
)
def test_timm_options_that_are_not_supported_are_refused(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=option):
        published_options("swin", {**SIZES, option: value}, source="timm")


@pytest.mark.parametrize("ape", [False, True])
@torch.no_grad()
def test_huggingface_classifier(ape: bool) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(**CONFIG, use_absolute_embeddings=ape)
    theirs = randomised(transformers.SwinForImageClassification(config))
    model = ours_like(theirs.state_dict(), config.to_dict(), "huggingface")
    images = images_of(64, 64)
    assert relative_error(model(images), theirs(images).logits) < 1e-5


@torch.no_grad()
def test_huggingface_backbone_saved_to_a_file() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.SwinConfig(**CONFIG, out_features=["stage1", "stage3"])
    theirs = randomised(transformers.SwinBackbone(config))
    published = published_options("swin", config.to_dict(), source="huggingface")
    backbone = create_backbone("swin", **published.options, dense=True).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        report = load_weights(backbone, Path(folder) / "model.safetensors")
    assert not report.missing
    # The classifier's norm, which a dense backbone does not have.
    assert set(report.unexpected) <= {"norm.weight", "norm.bias"}
    images = images_of(61, 90)
    for actual, expected in zip(backbone(images), theirs(images).feature_maps, strict=True):
        assert relative_error(actual, expected) < 1e-5


@pytest.mark.parametrize(
    ("option", "value"),
    [("hidden_act", "relu"), ("layer_norm_eps", 1e-6), ("out_indices", [0, 1])],
)
def test_huggingface_options_that_are_not_supported_are_refused(option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=option):
        published_options("swin", {**SIZES, option: value}, source="huggingface")


def test_official_options_of_both_classes() -> None:
    classifier = published_options("swin", {**SIZES, "num_classes": 7, "ape": True})
    assert classifier.options["img_size"] == 224
    assert classifier.num_classes == 7
    dense = published_options("swin", {**SIZES, "pretrain_img_size": 128, "frozen_stages": -1})
    assert "img_size" not in dense.options
    with pytest.raises(ConfigError, match="frozen_stages"):
        published_options("swin", {**SIZES, "frozen_stages": 2})


def official_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names to the authors', for a classifier of three stages."""
    names = {"merges.1.": "layers.0.downsample.", "merges.2.": "layers.1.downsample."}
    names |= {f"stages.{i}.": f"layers.{i}.blocks." for i in range(3)}
    names |= {f"out_norms.{i}.": f"norm{i}." for i in range(3)}
    official = {}
    for key, tensor in state.items():
        ours = next((name for name in names if key.startswith(name)), "")
        official[key.replace(ours, names.get(ours, ""), 1)] = tensor
    return official


def test_buffers_of_the_authors_are_derived_and_a_prefix_is_cut() -> None:
    theirs = randomised(create_backbone("swin", **OURS, dense=True))
    state = {f"backbone.{k}": v for k, v in official_names(theirs.state_dict()).items()}
    state["backbone.layers.1.blocks.1.attn_mask"] = torch.zeros(4, 16, 16)
    state["backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(16, 16)
    ours = create_backbone("swin", **OURS, dense=True)
    report = load_weights(ours, state)
    assert report.naming == "official"
    assert not report.missing + report.unexpected
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name])


def test_tables_and_positions_are_resized() -> None:
    small = randomised(create_backbone("swin", **OURS, ape=True, img_size=64))
    large = create_backbone("swin", **{**OURS, "window_size": 7}, ape=True, img_size=(160, 128))
    report = load_weights(large, small.state_dict())
    assert report.resized["absolute_pos_embed"] == ((1, 256, 8), (1, 1280, 8))
    assert report.resized["stages.0.0.attn.relative_position_bias_table"] == ((49, 1), (169, 1))
    assert len(report.resized) == 6
    # The bias of no displacement stays in the centre.
    table = large.stages[2][1].attn.relative_position_bias_table
    source = small.stages[2][1].attn.relative_position_bias_table
    torch.testing.assert_close(table[84], source[24], rtol=0, atol=0.05)


def test_positions_of_the_dense_variant_are_flattened() -> None:
    grid = torch.randn(1, 8, 5, 6)
    tokens = to_ours("swin", {"absolute_pos_embed": grid})["absolute_pos_embed"]
    assert torch.equal(tokens[0, 6 * 2 + 3], grid[0, :, 2, 3])


@pytest.mark.parametrize(
    ("keys", "owner"),
    [
        ({"stages.0.0.norm1.weight"}, "ours"),
        ({"layers.0.downsample.norm.weight", "head.weight"}, "official"),
        ({"layers.0.blocks.0.norm1.weight", "layers.1.downsample.norm.weight"}, "timm"),
        ({"layers.0.blocks.0.norm1.weight", "head.fc.weight"}, "timm"),
        ({"swin.embeddings.patch_embeddings.projection.weight"}, "huggingface"),
    ],
)
def test_owners_are_recognised_by_names(keys: set[str], owner: str) -> None:
    assert family_naming("swin", keys) == owner
