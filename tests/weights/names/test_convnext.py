"""ConvNeXt weights and options of timm and transformers, against those libraries' own outputs."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError, WeightsError
from vision.heads.classification.linear import LinearHead
from vision.weights.names.published import published_options

SIZES = {"depths": (1, 2, 1, 1), "dims": (8, 16, 24, 32)}
CONFIG = {"depths": [1, 2, 1, 1], "hidden_sizes": [8, 16, 24, 32], "num_labels": 7}


class Classifier(nn.Module):
    def __init__(self, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = LinearHead(backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


def randomise(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise * parameter[0].numel() ** -0.5)
            else:
                parameter.copy_(0.5 + 0.25 * noise)
    return model.eval()


def ours_like(
    model: nn.Module, options: dict[str, Any], source: str, **overrides: Any
) -> tuple[Classifier, Any]:
    published = published_options("convnext", options, source=source)
    torch.manual_seed(1)
    backbone = create_backbone("convnext", **{**published.options, **overrides})
    classifier = Classifier(backbone, published.num_classes).eval()
    return classifier, load_weights(classifier, model.state_dict())


def images_of(dtype: torch.dtype = torch.float32) -> Tensor:
    images = torch.randn(2, 3, 65, 96, generator=torch.Generator().manual_seed(2))
    return images.to(dtype)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return ((actual - expected).abs().max() / expected.abs().max()).item()


# With `conv_mlp`, as in timm's convnext_atto to convnext_nano, linear layers are convolutions.
@pytest.mark.parametrize("conv_mlp", [False, True])
@pytest.mark.parametrize("scale", [1e-6, 0.0, None])
@torch.no_grad()
def test_timm_model(scale: float | None, conv_mlp: bool) -> None:
    timm_convnext = pytest.importorskip("timm.models.convnext")
    options = {**SIZES, "num_classes": 7, "ls_init_value": scale, "conv_mlp": conv_mlp}
    theirs = randomise(timm_convnext.ConvNeXt(**options))
    model, report = ours_like(theirs, options, "timm")
    assert report.naming == "timm"
    assert not report.missing + report.unexpected + report.reinitialised
    assert relative_error(model(images_of()), theirs(images_of())) < 1e-5
    expected = theirs.forward_intermediates(images_of(), intermediates_only=True)
    for actual, reference in zip(model.backbone(images_of()), expected[-4:], strict=True):
        assert relative_error(actual, reference) < 1e-5


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("use_grn", True),
        ("conv_bias", False),
        ("stem_type", "overlap"),
        ("patch_size", 2),
        ("kernel_sizes", (7, 7, 5, 7)),
        ("head_norm_first", True),
        ("head_hidden_size", 16),
        ("output_stride", 16),
        ("norm_layer", "rmsnorm"),
        ("norm_eps", 1e-5),
        ("act_layer", "relu"),
        ("drop_rate", 0.1),
        ("unheard_of", 1),
    ],
)
def test_timm_options_that_would_change_the_model_are_refused(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        published_options("convnext", {**SIZES, option: value}, source="timm")


def test_neutral_timm_options_are_accepted() -> None:
    options = {
        **SIZES,
        "in_chans": 1,
        "kernel_sizes": (7, 7, 7, 7),
        "conv_mlp": False,
        "norm_eps": None,
        "drop_path_rate": 0.2,
        "head_init_scale": 0.5,
    }
    published = published_options("convnext", options, source="timm")
    assert published.num_classes == 1000
    backbone = create_backbone("convnext", **published.options)
    assert backbone.get_parameter(backbone.input_conv).shape == (8, 1, 4, 4)
    assert backbone.stages[-1][-1].drop_path.rate == pytest.approx(0.2)


@torch.no_grad()
def test_transformers_classifier() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextConfig(**CONFIG)
    theirs = randomise(transformers.ConvNextForImageClassification(config))
    model, report = ours_like(theirs, config.to_dict(), "huggingface")
    assert report.naming == "huggingface"
    assert not report.missing + report.unexpected + report.reinitialised
    assert relative_error(model(images_of()), theirs(images_of()).logits) < 1e-5
    hidden = theirs(images_of(), output_hidden_states=True).hidden_states
    for actual, reference in zip(model.backbone(images_of()), hidden[1:], strict=True):
        assert relative_error(actual, reference) < 1e-5
    # The final norm's epsilon shows only in float64: 1e-12, not the 1e-6 of the other norms.
    exact = theirs.double()(images_of(torch.float64)).logits
    assert relative_error(model.double()(images_of(torch.float64)), exact) < 1e-9


@torch.no_grad()
def test_transformers_model_without_a_classifier() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextConfig(**CONFIG, layer_scale_init_value=0.0)
    theirs = randomise(transformers.ConvNextModel(config))
    options = published_options("convnext", config.to_dict(), source="huggingface").options
    backbone = create_backbone("convnext", **options).eval()
    report = load_weights(backbone, theirs.state_dict())
    assert not report.missing + report.unexpected
    expected = theirs(images_of()).pooler_output
    assert relative_error(backbone.embed(images_of()), expected) < 1e-5


@torch.no_grad()
def test_transformers_backbone_with_chosen_stages() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextConfig(**CONFIG, out_features=["stage2", "stage4"])
    theirs = randomise(transformers.ConvNextBackbone(config))
    options = published_options("convnext", config.to_dict(), source="huggingface").options
    backbone = create_backbone("convnext", **options, dense=True).eval()
    report = load_weights(backbone, theirs.state_dict())
    assert not report.missing + report.unexpected
    expected = theirs(images_of()).feature_maps
    for actual, reference in zip(backbone(images_of()), expected, strict=True):
        assert relative_error(actual, reference) < 1e-5


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("patch_size", 2),
        ("hidden_act", "relu"),
        ("num_stages", 3),
        ("out_indices", [0, 4]),
        ("unheard_of", 1),
    ],
)
def test_transformers_options_that_would_change_the_model_are_refused(
    option: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match="stem" if option == "out_indices" else option):
        published_options("convnext", {**CONFIG, option: value}, source="huggingface")


def test_official_names_survive_a_round_trip_of_ours() -> None:
    backbone = create_backbone("convnext", **SIZES)
    report = load_weights(create_backbone("convnext", **SIZES), backbone.state_dict())
    assert report.naming == "ours"
    assert set(report.loaded) == set(backbone.state_dict())


@torch.no_grad()
def test_one_image_channel_responds_as_three_equal_ones() -> None:
    colour = create_backbone("convnext", **SIZES).eval()
    grey = create_backbone("convnext", **SIZES, in_channels=1).eval()
    load_weights(grey, colour.state_dict())
    image = images_of()[:, :1]
    expected = colour(image.expand(-1, 3, -1, -1))
    for actual, reference in zip(grey(image), expected, strict=True):
        assert relative_error(actual, reference) < 1e-5


def test_weights_of_a_larger_variant_are_refused() -> None:
    larger = create_backbone("convnext", depths=SIZES["depths"], dims=(16, 32, 48, 64))
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(create_backbone("convnext", **SIZES), larger.state_dict())


def test_names_of_mmpretrain_with_which_mmdet_trains() -> None:
    source = randomise(create_backbone("convnext", **SIZES, dense=True))
    theirs = {}
    for name, tensor in source.state_dict().items():
        key = name.replace("downsample.", "downsample_layers.").replace("out_norms.", "norm")
        key = key.replace(".mlp.fc", ".pointwise_conv").replace(".conv.", ".depthwise_conv.")
        theirs[key] = tensor
    assert "stages.1.1.pointwise_conv2.weight" in theirs
    assert "norm3.weight" in theirs
    backbone = create_backbone("convnext", **SIZES, dense=True)
    report = load_weights(backbone, theirs)
    assert report.naming == "mmdet"
    assert not report.missing + report.unexpected
    for name, tensor in backbone.state_dict().items():
        assert torch.equal(tensor, source.state_dict()[name])
