"""kMaX-DeepLab's head; its numbers are in `test_parity_heads.py`."""

import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.features import FeatureSpec
from vision.errors import ConfigError
from vision.heads.mask_transformer.kmax import KMaXHead, KMaXWidths
from vision.ops.mask_predictions import resize_predictions

RESNET, CONVNEXT = (256, 512, 1024, 2048), (192, 384, 768, 1536)
WIDTHS = KMaXWidths(
    queries=16, query_heads=2, feedforward=24, pixels=8, masks=6, axial_heads=2, semantic=8
)
TINY: dict[str, Any] = {
    "num_classes": 3,
    "num_queries": 5,
    "stage_channels": (8, 6, 4, 4),
    "stage_depths": (1, 1, 1, 1),
    "depths": (1, 1, 1),
    "widths": WIDTHS,
}


def specs(channels: tuple[int, ...] = (4, 6, 8, 10)) -> list[FeatureSpec]:
    return [FeatureSpec(c, 32 >> i) for i, c in enumerate(reversed(channels))][::-1]


def tiny(**options: Any) -> KMaXHead:
    torch.manual_seed(0)
    return KMaXHead(specs(), **{**TINY, **options})


def maps(height: int, width: int, *, batch: int = 2) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(
            batch, s.channels, -(-height // s.stride), -(-width // s.stride), generator=generator
        )
        for s in specs()
    ]


@pytest.mark.parametrize(
    ("channels", "classes", "pixel_decoder", "transformer", "semantic"),
    [
        (RESNET, 133, 21151040, 27777790, 15856742),
        (CONVNEXT, 133, 23688640, 23966462, 12045414),
        (RESNET, 150, 21151040, 27812742, 15861111),
    ],
)
def test_parameters_of_the_published_heads(
    channels: tuple[int, ...], classes: int, pixel_decoder: int, transformer: int, semantic: int
) -> None:
    """As counted in the authors' classes: COCO with two backbones, ADE20K."""
    with torch.device("meta"):
        head = KMaXHead(specs(channels), num_classes=classes)
    counts = {"pixel_decoder": 0, "semantic": 0, "all": 0}
    for name, parameter in head.named_parameters():
        counts["all"] += parameter.numel()
        part = name.partition(".")[0]
        if part in counts:
            counts[part] += parameter.numel()
    assert counts["pixel_decoder"] == pixel_decoder
    assert counts["all"] - counts["pixel_decoder"] == transformer
    assert counts["semantic"] == semantic


@torch.no_grad()
@pytest.mark.parametrize("size", [(65, 65), (66, 97), (128, 71)])
def test_any_size(size: tuple[int, int]) -> None:
    head, features = tiny().eval(), maps(*size)
    outputs = head(features)
    finest = features[0].shape[-2:]
    assert outputs["class_logits"].shape == (2, 5, 4)
    assert outputs["mask_logits"].shape == (2, 5, *finest)
    sides = [x.shape[-2:] for x in features[:0:-1]]
    assert [x["mask_logits"].shape[-2:] for x in outputs["layers"]] == sides
    lengths = outputs["pixel_features"].norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))
    assert "semantic_logits" not in outputs
    # The images of a batch do not see each other, nor the sizes before them.
    alone = tiny().eval()([x[1:] for x in features])
    torch.testing.assert_close(alone["mask_logits"], outputs["mask_logits"][1:])


@torch.no_grad()
def test_five_maps_as_published_for_cityscapes() -> None:
    """The first three stages still lie at strides 32 to 8, the masks at stride 2."""
    pyramid = [FeatureSpec(4, 2 << i) for i in range(5)]
    options = {
        **TINY,
        "semantic": "plain",
        "stage_channels": (8, 6, 4, 4, 2),
        "stage_depths": (1,) * 5,
        "stage_kinds": ("axial", "axial", "bottleneck", "bottleneck", "bottleneck"),
    }
    head = KMaXHead(pyramid, **options).train()
    outputs = head([torch.randn(2, 4, -(-65 // s.stride), -(-97 // s.stride)) for s in pyramid])
    assert outputs["mask_logits"].shape == (2, 5, 33, 49)
    heights = [layer["mask_logits"].shape[-2] for layer in outputs["layers"]]
    assert heights == [3, 5, 9]
    assert outputs["semantic_logits"].shape == (2, 3, 3, 4)


@pytest.mark.parametrize(("semantic", "logits"), [("aspp", 4), ("plain", 3), ("none", None)])
def test_every_parameter_has_a_gradient(semantic: str, logits: int | None) -> None:
    head = tiny(semantic=semantic, drop_path_rate=0.0).train()
    # Branches end in a norm of scale 0, behind which nothing has a gradient yet.
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1)
    outputs = head(maps(65, 65))
    size = outputs["mask_logits"].shape[-2:]
    loss = sum(
        (p["class_logits"].cos().sum() + p["mask_logits"].cos().sum())
        for p in (outputs, *(resize_predictions(x, size) for x in outputs["layers"]))
    )
    found = outputs.get("semantic_logits")
    assert (None if found is None else found.shape[1]) == logits
    (loss if found is None else loss + found.cos().sum()).backward()
    assert [n for n, p in head.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_initial_values() -> None:
    torch.manual_seed(0)
    head = KMaXHead(specs((8, 8, 8, 8)), num_classes=3, stage_depths=(1, 1, 1, 1), semantic="none")
    values = dict(head.named_parameters())
    for name in ("pixel_decoder.stages.0.0.expand", "layers.0.cluster_project"):
        assert not values[f"{name}.norm.weight"].any()
    assert not values["layers.3.attention.project.norm.weight"].any()
    assert not values["layers.3.feedforward.1.norm.weight"].any()
    assert values["prediction.mask_norm.weight"].item() == pytest.approx(0.1)
    # A normal distribution that is cut at two deviations has 0.8796 of its deviation.
    published = {
        "queries": 1.0,
        "pixel_decoder.stages.0.0.mixer.height.value_table": 1.0,
        "pixel_decoder.stages.0.0.mixer.width.qkv.weight": 1024**-0.5,
        "pixel_decoder.stages.2.0.mixer.conv.weight": (2 / 128) ** 0.5,
        "layers.2.values.conv.weight": 1 / 16,
        "layers.2.attention.qkv.conv.weight": 1 / 16,
        "prediction.features.conv.weight": 0.01,
    }
    for name, std in published.items():
        weight = values[name]
        assert weight.std().item() == pytest.approx(0.8796 * std, rel=0.03), name
        assert weight.abs().max() <= 2 * std
    # Xavier's uniform distribution of a kernel of 5 x 5 per channel.
    assert values["prediction.depthwise.conv.weight"].abs().max() <= math.sqrt(6 / (25 + 25 * 256))


def test_initialised_again_in_place() -> None:
    head = tiny()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    with torch.no_grad():
        for value in head.state_dict().values():
            value.fill_(7)
    head.reset_parameters()
    for name, value in head.state_dict().items():
        assert not (value == 7).any(), name
        constant = value.ndim <= 1
        assert not constant or torch.equal(value, before[name]), name


def test_void_is_likely_at_first() -> None:
    """Class logits begin near 0, so that "no object" has a probability of nine tenths."""
    shares = tiny().eval()(maps(65, 65))["class_logits"].softmax(dim=-1)[..., -1]
    torch.testing.assert_close(shares, torch.full_like(shares, 0.9), rtol=0, atol=0.02)


def test_no_decay_of_queries_and_tables() -> None:
    names = tiny().no_weight_decay()
    assert len(names) == 1 + 2 * 2 * 3
    assert "queries" in names
    assert "pixel_decoder.stages.1.0.mixer.width.key_table" in names


def test_rows_of_classes() -> None:
    head = tiny()
    state = head.state_dict()
    rows = head.class_rows()
    assert len(rows) == 2 * (3 + 1 + 1)
    assert all(state[name].shape[0] == 3 + row.background for name, row in rows.items())
    plain = tiny(semantic="plain")
    assert not plain.class_rows()["semantic.classifier.bias"].background


@torch.no_grad()
def test_autocast() -> None:
    head, features = tiny().eval(), maps(65, 65)
    exact = head(features)["pixel_features"]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = head(features)
    assert all(x["mask_logits"].isfinite().all() for x in outputs["layers"])
    assert (outputs["pixel_features"].float() - exact).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"stage_channels": (8, 6, 4)}, ("stage_channels", "[8, 6, 4]", "4 maps")),
        ({"stage_depths": (1, 0, 1, 1)}, ("stage_depths", "0", "1 or more")),
        ({"stage_kinds": ("axial", "axail", "bottleneck", "bottleneck")}, ("axail", "'axial'")),
        ({"depths": (1,) * 5}, ("depths", "at most 4")),
        ({"depths": ()}, ("depths", "at most 4")),
        ({"num_queries": 0}, ("num_queries", "1 or more")),
        ({"num_classes": 0}, ("num_classes", "from 1 to 255")),
        ({"num_classes": 256}, ("num_classes=256", "from 1 to 255")),
        ({"drop_path_rate": 1.0}, ("drop_path_rate", "below 1")),
        ({"semantic": "asp"}, ("semantic", "'aspp'")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        tiny(**options)


@pytest.mark.parametrize("strides", [(4, 8, 16), (8, 4, 16, 32)])
def test_maps_that_do_not_fit(strides: tuple[int, ...]) -> None:
    with refuses(ConfigError, "four maps", str(list(strides))):
        KMaXHead([FeatureSpec(8, stride) for stride in strides], num_classes=2)


def test_the_scale_of_masks_is_set_in_every_layer_and_when_values_are_drawn_again() -> None:
    head = tiny(mask_scale=2.0)
    scales = [value for name, value in head.named_parameters() if "mask_norm.weight" in name]
    assert [scale.item() for scale in scales] == [2.0] * 4
    with torch.no_grad():
        for scale in scales:
            scale.zero_()
    head.reset_parameters()
    assert [scale.item() for scale in scales] == [2.0] * 4
    with refuses(ConfigError, "mask_scale"):
        tiny(mask_scale=0.0)


def test_the_deviation_of_classes_is_set_in_every_layer_and_when_values_are_drawn_again() -> None:
    head = tiny(class_std=0.2)
    weights = [value for name, value in head.named_parameters() if name.endswith("classes.weight")]
    assert len(weights) == 4
    # A normal distribution that is cut at two deviations has 0.88 of its deviation.
    for weight in weights:
        assert weight.std().item() == pytest.approx(0.88 * 0.2, rel=0.3)
    with torch.no_grad():
        for weight in weights:
            weight.zero_()
    head.reset_parameters()
    for weight in weights:
        assert weight.std().item() == pytest.approx(0.88 * 0.2, rel=0.3)
    with refuses(ConfigError, "class_std"):
        tiny(class_std=0.0)
