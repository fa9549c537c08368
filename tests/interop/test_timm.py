"""Our backbones by timm's own `create_model`, against ours and our Classification task."""

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_models import TINY
from torch import nn

from vision import create_backbone, list_backbones
from vision.errors import ConfigError
from vision.tasks import Classification

timm = pytest.importorskip("timm")
bridge = importlib.import_module("vision.interop.timm")

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
# A variant of each family, for whose name the options of a tiny one are given.
SMALLEST = {
    "swin": "swin_tiny",
    "cswin": "cswin_tiny",
    "cvt": "cvt_13",
    "tnt": "tnt_small",
    "rmt": "rmt_tiny",
    "hornet_7x7": "hornet_tiny_7x7",
    "hornet_gf": "hornet_tiny_gf",
    "convnext": "vision_convnext_tiny",
}


def create(row: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model(SMALLEST[row], **TINY[row][1], **options).eval()


@pytest.fixture(scope="module", params=TINY)
def row(request: pytest.FixtureRequest) -> str:
    return request.param


@torch.no_grad()
def test_features_are_the_maps_of_our_backbone(row: str) -> None:
    model = create(row, features_only=True)
    ours = create_backbone(SMALLEST[row].removeprefix("vision_"), **TINY[row][1]).eval()
    ours.load_state_dict(model.backbone.state_dict())
    maps = model(IMAGES)
    assert isinstance(maps, list)
    for actual, expected in zip(maps, ours(IMAGES), strict=True):
        assert torch.equal(actual, expected)
    assert model.feature_info.channels() == [x.shape[1] for x in maps]
    assert model.feature_info.reduction() == [64 // x.shape[2] for x in maps]


def test_every_trained_parameter_of_features_gets_a_gradient(row: str) -> None:
    model = create(row, features_only=True).train()
    sum(x.square().mean() for x in model(IMAGES)).backward()
    assert [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@torch.no_grad()
def test_logits_are_those_of_our_task(row: str) -> None:
    model = create(row, num_classes=10, drop_path_rate=0.1, drop_rate=0.2)
    name = SMALLEST[row].removeprefix("vision_")
    # On some machines convolutions in channels-last memory round otherwise.
    task = Classification(name, 10, backbone_options=TINY[row][1], channels_last=False).eval()
    named = {k: v for k, v in task.state_dict().items() if k.startswith(("backbone.", "head."))}
    model.load_state_dict(named, strict=True)
    assert torch.equal(model(IMAGES), task.head(task.embed(IMAGES))["logits"])
    features = model.forward_features(IMAGES)
    assert features.shape == (2, model.num_features)
    assert torch.equal(model.forward_head(features, pre_logits=True), task.embed(IMAGES))


def test_names_of_timm_stay_its_own() -> None:
    assert type(timm.create_model("convnext_atto")).__module__.startswith("timm.")
    for name in list_backbones():
        assert timm.models.model_entrypoint(f"vision_{name}").__module__ == bridge.__name__
    own = timm.models.model_entrypoint("convnext_tiny")
    assert own.__module__ == "timm.models.convnext"
    assert timm.list_models("cswin*") == list_backbones("cswin*")
    assert timm.list_models("vision_convnext*") == [
        f"vision_{name}" for name in list_backbones("convnext*")
    ]


def test_every_family_builds_at_its_published_size() -> None:
    with torch.device("meta"):
        for name in set(SMALLEST.values()):
            model = timm.create_model(name)
            assert model.num_classes == 1000
            assert model.get_classifier().out_features == 1000


def test_options_of_timm() -> None:
    model = create("swin", num_classes=5, in_chans=1, img_size=96, out_indices=(1, 3))
    assert model(torch.randn(1, 1, 96, 96)).shape == (1, 5)
    assert [info["reduction"] for info in model.feature_info] == [8, 32]
    assert model.default_cfg is model.pretrained_cfg
    assert model.pretrained_cfg["input_size"] == (1, 96, 96)
    assert model.pretrained_cfg["num_classes"] == 5
    # Nothing in ConvNeXt depends on a size.
    assert create("convnext", img_size=96).pretrained_cfg["input_size"] == (3, 96, 96)
    features = create("cswin", features_only=True, out_indices=(1, 2))
    assert features.feature_info.channels() == [32, 64]
    assert len(features(IMAGES)) == 2


def test_the_data_config_is_that_of_the_weights() -> None:
    with torch.device("meta"):
        model = timm.create_model("swin_base_window12")
    data = timm.data.resolve_model_data_config(model)
    assert data["input_size"] == (3, 384, 384)
    assert data["crop_pct"] == 1.0


@torch.no_grad()
def test_without_a_classifier_or_without_pooling() -> None:
    model = create("rmt", num_classes=0)
    assert model(IMAGES).shape == (2, 64)
    assert isinstance(model.get_classifier(), nn.Identity)
    model.reset_classifier(7)
    assert model(IMAGES).shape == (2, 7)
    whole = create("rmt", num_classes=0, global_pool="")
    assert whole.num_features == 96
    assert whole(IMAGES).shape == (2, 96, 2, 2)
    with pytest.raises(ConfigError, match="needs num_classes=0"):
        create("rmt", global_pool="")
    with refuses(ConfigError, "global_pool='max'", "available"):
        create("rmt", global_pool="max")


def test_timm_groups_parameters_for_its_optimisers() -> None:
    from timm.models import group_parameters
    from timm.optim import param_groups_layer_decay

    model = create("swin", num_classes=3)
    groups = group_parameters(model, model.group_matcher(coarse=False))
    depth = {name: i for i, names in groups.items() for name in names}
    assert depth["backbone.patch_embed.proj.weight"] == 0
    assert depth["backbone.stages.0.0.attn.qkv.weight"] == 1
    # One block in the first stage, two in each of three others, then the head.
    assert depth["backbone.stages.3.1.attn.qkv.weight"] == 7
    assert depth["head.fc.weight"] == 8
    coarse = group_parameters(model, model.group_matcher(coarse=True))
    assert len(coarse) == 6
    table = "backbone.stages.0.0.attn.relative_position_bias_table"
    assert table in model.no_weight_decay()
    optim = param_groups_layer_decay(
        model, weight_decay=0.1, no_weight_decay_list=model.no_weight_decay(), layer_decay=0.5
    )
    assert sum(len(group["params"]) for group in optim) == len(list(model.parameters()))
    assert min(group["lr_scale"] for group in optim) == 0.5**8


def test_checkpointing_gives_the_same_gradients() -> None:
    gradients = []
    for enabled in (False, True):
        model = create("convnext", num_classes=3)
        model.set_grad_checkpointing(enabled)
        model(IMAGES).sum().backward()
        gradients.append(model.backbone.downsample[0][0].weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


def test_weights_of_a_file_are_read_by_our_loader(tmp_path: Path) -> None:
    source = create("cswin", num_classes=10)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    overlay = {"file": str(tmp_path / "weights.pth")}
    torch.manual_seed(1)
    model = timm.create_model(
        "cswin_tiny",
        pretrained=True,
        pretrained_cfg_overlay=overlay,
        num_classes=10,
        **TINY["cswin"][1],
    )
    for key, tensor in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], tensor), key
    fewer = timm.create_model(
        "cswin_tiny",
        pretrained=True,
        pretrained_cfg_overlay=overlay,
        features_only=True,
        **TINY["cswin"][1],
    )
    assert torch.equal(fewer.backbone.norm.weight, source.backbone.norm.weight)


def test_pretrained_asks_our_index(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[type, str, object]] = []
    monkeypatch.setattr(
        bridge,
        "load_pretrained",
        lambda model, name, which: asked.append((type(model), name, which)),
    )
    create("cswin", pretrained=True)
    assert asked == [(bridge.TimmClassifier, "cswin_tiny", True)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop_path": 0.1}, ("'drop_path'", "'drop_path_rate'")),
        ({"cache_dir": "x"}, ("cache_dir", "TORCH_HOME")),
        ({"pretrained_cfg": "tag"}, ("no tag 'tag'",)),
    ],
)
def test_mistakes(options: dict[str, Any], message: tuple[str, ...]) -> None:
    with refuses(ConfigError, *message):
        timm.create_model("cswin_tiny", **options)


def test_a_second_import_keeps_the_registry() -> None:
    assert bridge.registered_names() == bridge._NAMES
