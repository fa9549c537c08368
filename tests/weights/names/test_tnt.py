"""TNT weights of timm, of another image size, and the option names of both implementations."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError, WeightsError
from vision.heads.classification.linear import LinearHead
from vision.weights import published_options
from vision.weights.names.families import to_ours

TIMM: dict[str, Any] = {
    "img_size": 64,
    "embed_dim": 24,
    "inner_dim": 8,
    "depth": 2,
    "num_heads_inner": 2,
    "num_heads_outer": 3,
    "num_classes": 7,
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self, options: dict[str, Any], num_classes: int) -> None:
        super().__init__()
        self.backbone = create_backbone("tnt", **options)
        self.head = LinearHead(self.backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


def random_timm_model(**overrides: Any) -> nn.Module:
    from timm.models.tnt import TNT

    torch.manual_seed(0)
    model = TNT(**{**TIMM, **overrides}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, fan_in**-0.5)
        for position in (model.patch_pos, model.pixel_pos, model.cls_token):
            position.normal_(0, 0.6)
        for module in model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.add_(1)
    return model


@torch.no_grad()
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"qkv_bias": True, "first_stride": 5},
        {"patch_size": (8, 8), "img_size": (32, 48), "in_chans": 4},
    ],
)
def test_logits_of_timm(overrides: dict[str, Any]) -> None:
    theirs = random_timm_model(**overrides)
    published = published_options("tnt", {**TIMM, **overrides}, source="timm")
    ours = Classifier(published.options, published.num_classes).eval()
    report = load_weights(ours, theirs.state_dict())
    assert report.naming == "timm"
    assert [*report.missing, *report.unexpected, *report.resized] == []
    images = torch.randn(2, overrides.get("in_chans", 3), *theirs.pixel_embed.img_size)
    actual, expected = ours(images), theirs(images)
    assert ((actual - expected).abs().max() / expected.abs().max()) < 1e-5


def test_legacy_model_of_timm_is_refused_by_name() -> None:
    with refuses(ConfigError, "'legacy'", "True"):
        published_options("tnt", {**TIMM, "legacy": True}, source="timm")
    ours = create_backbone("tnt", **published_options("tnt", TIMM, source="timm").options)
    with pytest.raises(WeightsError, match="legacy"):
        load_weights(ours, random_timm_model(legacy=True).state_dict())


@torch.no_grad()
def test_position_tables_are_resized() -> None:
    options = published_options("tnt", TIMM, source="timm").options
    ours = create_backbone("tnt", **{**options, "img_size": (96, 32), "inner_stride": 8})
    theirs = random_timm_model()
    # Tables that are constant over the grid stay so, however the resize interpolates.
    theirs.patch_pos[:, 1:] = torch.arange(24.0)
    theirs.pixel_pos.copy_(torch.arange(8.0).view(1, 8, 1, 1).expand(1, 8, 4, 4))
    keys = ("patch_pos", "pixel_pos")
    state = theirs.state_dict()
    for name in list(state):  # only the tables depend on the stride, and layers over all words
        if "proj" in name and name not in keys and state[name].shape[-1] == 128:
            state[name] = state[name][..., :32]
    report = load_weights(ours, state)
    assert report.resized == {
        "outer_pos": ((1, 17, 24), (1, 13, 24)),
        "inner_pos": ((1, 16, 8), (1, 4, 8)),
    }
    torch.testing.assert_close(ours.outer_pos[0, 1:], torch.arange(24.0).expand(12, 24))
    torch.testing.assert_close(ours.outer_pos[0, 0], theirs.patch_pos[0, 0])
    torch.testing.assert_close(ours.inner_pos[0], torch.arange(8.0).expand(4, 8))


def test_a_table_that_is_not_square_is_refused() -> None:
    options = published_options("tnt", TIMM, source="timm").options
    state = create_backbone("tnt", **{**options, "img_size": (96, 32)}).state_dict()
    with pytest.raises(WeightsError, match="'outer_pos'"):
        load_weights(create_backbone("tnt", **options), state)


def test_official_names() -> None:
    query_key, value = torch.randn(16, 8), torch.randn(8, 8)
    one = torch.zeros(1)
    converted = to_ours(
        "tnt",
        {
            "outer_tokens": one,
            "blocks.0.inner_attn.qk.weight": query_key,
            "blocks.0.inner_attn.v.weight": value,
            "blocks.1.se_layer.fc.0.weight": one,
            "blocks.1.se_layer.fc.1.bias": one,
            "blocks.1.se_layer.fc.3.weight": one,
            "blocks.1.proj.weight": one,
            "blocks.1.outer_norm2.bias": one,
            "proj.weight": one,
            "norm.weight": one,
        },
    )
    assert set(converted) == {
        "blocks.0.inner.attn.qkv.weight",
        "blocks.1.outer.gate.norm.weight",
        "blocks.1.outer.gate.fc1.bias",
        "blocks.1.outer.gate.fc2.weight",
        "blocks.1.words_to_patch.proj.weight",
        "blocks.1.outer.norm2.bias",
        "patch_embed.proj.weight",
        "norm.weight",
    }
    joined = converted["blocks.0.inner.attn.qkv.weight"]
    assert torch.equal(joined, torch.cat([query_key, value]))


def test_official_options() -> None:
    published = published_options(
        "tnt",
        {"outer_dim": 24, "outer_num_heads": 3, "inner_dim": 8, "depth": 2, "patch_size": [8, 8]}
        | {"inner_num_heads": 2, "se": 4, "qk_scale": 0, "img_size": [32, 48]},
    )
    assert published.num_classes == 1000
    backbone = create_backbone("tnt", **published.options)
    assert backbone.grid == (4, 6)
    # The authors' code takes a scale of 0 for the default.
    assert backbone.blocks[0].outer.attn.qk_scale is None
    assert "blocks.1.outer.gate.fc1.weight" in backbone.state_dict()


@pytest.mark.parametrize("source", ["official", "timm"])
def test_published_defaults_are_ours(source: Any) -> None:
    import inspect

    from timm.models.tnt import TNT

    if source == "timm":
        defaults = {k: p.default for k, p in inspect.signature(TNT).parameters.items()}
        del defaults["norm_layer"]
    else:
        defaults = {"outer_dim": 768, "inner_dim": 48, "outer_num_heads": 12, "depth": 12}
        defaults |= {"inner_num_heads": 4, "img_size": 224, "patch_size": 16, "inner_stride": 4}
    with torch.device("meta"):
        stated = create_backbone("tnt", **published_options("tnt", defaults, source=source).options)
        assumed = create_backbone("tnt", **published_options("tnt", {}, source=source).options)
    assert str(stated) == str(assumed)
    assert stated.outer_pos.shape == assumed.outer_pos.shape


@pytest.mark.parametrize(
    ("options", "source", "message"),
    [
        ({"patch_size": [16, 8]}, "official", "patch_size = \\[16, 8\\]"),
        ({"global_pool": "avg"}, "timm", "'global_pool' = 'avg'"),
        ({"mlp_ratio": 3.0}, "timm", "'mlp_ratio' = 3.0"),
        ({"proj_drop_rate": 0.1}, "timm", None),
        ({"proj_drop_rate": 0.1, "pos_drop_rate": 0.2}, "timm", "'pos_drop_rate' = 0.2"),
        ({"window": 7}, "official", "'window' = 7"),
        ({}, "huggingface", "huggingface has no TNT"),
    ],
)
def test_unsupported_options_are_refused_by_name(
    options: dict[str, Any], source: Any, message: str | None
) -> None:
    if message is None:  # the tokens' rate is absent and so no other than the branches'
        assert published_options("tnt", options, source=source).options["drop_rate"] == 0.1
        return
    with pytest.raises(ConfigError, match=message):
        published_options("tnt", options, source=source)
