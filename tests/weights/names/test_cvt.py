"""CvT weights of transformers, and the option names of both published implementations."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.backbones.cvt import QuickGELU
from vision.errors import ConfigError
from vision.heads.classification.linear import LinearHead
from vision.weights import published_options
from vision.weights.names.cvt import naming

CONFIG: dict[str, Any] = {
    "embed_dim": [8, 16, 24],
    "num_heads": [1, 2, 3],
    # A stage i of transformers needs more than i blocks.
    "depth": [1, 2, 3],
    "num_labels": 7,
}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self, options: dict[str, Any], num_classes: int) -> None:
        super().__init__()
        self.backbone = create_backbone("cvt", **options)
        self.head = LinearHead(self.backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


def random_transformers_model(cls: str, **overrides: Any) -> nn.Module:
    """With random statistics and norms too, which a fresh model leaves at 0 and 1."""
    import transformers

    torch.manual_seed(0)
    config = transformers.CvtConfig(**{**CONFIG, **overrides})
    model = getattr(transformers, cls)(config).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5)
            if getattr(module, "bias", None) is not None:
                module.bias.normal_(0, 0.2)
            if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                module.weight.normal_(1, 0.25)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.3)
                module.running_var.uniform_(0.5, 1.5)
    return model


def relative_error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return ((actual - expected).abs().max() / expected.abs().max()).item()


@torch.no_grad()
@pytest.mark.parametrize(
    "overrides",
    [
        {},
        # In transformers every class token has the last stage's width.
        {"cls_token": [False, True, True], "embed_dim": [8, 24, 24], "num_heads": [2, 2, 3]},
        {"qkv_bias": [True, False, True], "num_labels": 2, "num_channels": 4},
    ],
)
def test_logits_of_transformers(overrides: dict[str, Any]) -> None:
    theirs = random_transformers_model("CvtForImageClassification", **overrides)
    published = published_options("cvt", theirs.config.to_dict(), source="huggingface")
    assert published.options["act"] == "gelu"
    ours = Classifier(published.options, published.num_classes).eval()
    report = load_weights(ours, theirs.state_dict())
    assert report.naming == "huggingface"
    assert [*report.missing, *report.unexpected, *report.resized] == []
    images = torch.randn(2, overrides.get("num_channels", 3), 50, 67)
    assert relative_error(ours(images), theirs(images).logits) < 1e-5


@torch.no_grad()
def test_maps_of_the_bare_transformers_model() -> None:
    theirs = random_transformers_model("CvtModel")
    published = published_options("cvt", theirs.config.to_dict(), source="huggingface")
    ours = create_backbone("cvt", **published.options, dense=True).eval()
    report = load_weights(ours, theirs.state_dict())
    assert not report.unexpected
    assert {name.partition(".")[0] for name in report.missing} == {"out_norms"}
    images = torch.randn(2, 3, 50, 67)
    hidden = theirs(images, output_hidden_states=True).hidden_states
    for x, y in zip(ours.forward_stages(images, 3), hidden, strict=True):
        assert relative_error(x, y) < 1e-5


def test_loading_transformers_weights_keeps_the_activation() -> None:
    theirs = random_transformers_model("CvtForImageClassification")
    options = published_options("cvt", CONFIG, source="huggingface").options
    ours = Classifier({**options, "act": "quick_gelu"}, 7)
    load_weights(ours, theirs.state_dict())
    assert isinstance(ours.backbone.stages[0][0].mlp.act, QuickGELU)


def test_epsilon_of_transformers_is_ours_for_any_configuration() -> None:
    theirs = random_transformers_model("CvtForImageClassification")
    assert theirs.config.layer_norm_eps == 1e-12
    norms = [m for m in theirs.modules() if isinstance(m, nn.LayerNorm | nn.BatchNorm2d)]
    norms += [m for m in create_backbone("cvt_13").modules() if isinstance(m, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-5}


def test_transformers_defaults_are_ours() -> None:
    import transformers

    default = transformers.CvtConfig()
    options = published_options("cvt", {}, source="huggingface").options
    assert options == {"act": "gelu", "drop_path_rate": tuple(default.drop_path_rate)}
    whole = published_options("cvt", default.to_dict(), source="huggingface")
    assert whole.num_classes == default.num_labels
    with torch.device("meta"):
        stated, assumed = (create_backbone("cvt", **o) for o in (whole.options, options))
    shapes = [{k: v.shape for k, v in model.state_dict().items()} for model in (stated, assumed)]
    assert shapes[0] == shapes[1]


def spec(**overrides: Any) -> dict[str, Any]:
    return {
        "spec": {
            "NUM_STAGES": 2,
            "PATCH_SIZE": [7, 3, 3],
            "PATCH_STRIDE": [4, 2, 2],
            "PATCH_PADDING": [2, 1, 1],
            "DIM_EMBED": [8, 16, 24],
            "NUM_HEADS": [1, 2, 3],
            "DEPTH": [1, 2, 3],
            "CLS_TOKEN": [False, True, False],
            "QKV_PROJ_METHOD": ["avg", "dw_bn", "avg"],
            "POS_EMBED": [True, True, True],
            **overrides,
        }
    }


def test_official_lists_are_read_up_to_the_number_of_stages() -> None:
    model = published_options("cvt", {**spec(), "num_classes": 5})
    assert model.num_classes == 5
    assert model.options["dims"] == (8, 16)
    backbone = create_backbone("cvt", **model.options)
    assert [spec.channels for spec in backbone.feature_specs] == [8, 16]


@pytest.mark.parametrize(
    ("options", "source", "message"),
    [
        (spec(QKV_PROJ_METHOD=["linear", "avg", "avg"]), "official", ("'linear'", "supported")),
        (spec(WINDOW=[7, 7, 7]), "official", ("'WINDOW' =",)),
        ({**spec(), "window": 7}, "official", ("'window'", "7")),
        ({"qkv_projection_method": ["avg"] * 3}, "huggingface", ("only with 'dw_bn'",)),
        ({"hidden_act": "relu"}, "huggingface", ("'hidden_act'", "'relu'")),
        ({}, "timm", ("timm", "CvT")),
    ],
)
def test_unsupported_options_are_refused_by_name(
    options: dict[str, Any], source: Any, message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        published_options("cvt", options, source=source)


def test_names_are_recognised_of_part_of_a_model() -> None:
    prefix = "stages.0.embedding.convolution_embeddings.projection.weight"
    assert naming({f"cvt.encoder.{prefix}"}) == naming({f"encoder.{prefix}"}) == "huggingface"
    assert naming({"stage0.patch_embed.proj.weight"}) == "official"
    assert naming(set(create_backbone("cvt").state_dict())) == "ours"
