"""`TimmBackbone` against timm itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision import create_backbone, list_backbones, load_weights
from vision.backbones.timm import TimmBackbone
from vision.errors import ConfigError, WeightsError
from vision.heads.classification.linear import LinearHead

MODELS = {
    "resnet18": {},
    "convnext_atto": {},
    "vit_tiny_patch16_224": {"img_size": 64},
    "swin_tiny_patch4_window7_224": {"img_size": 64},
    "efficientnet_b0": {},
}
SIZES = [(32, 32), (47, 64), (65, 33)]


@pytest.fixture(scope="module", params=MODELS)
def backbone(request: pytest.FixtureRequest) -> TimmBackbone:
    torch.manual_seed(0)
    return create_backbone(f"timm/{request.param}", **MODELS[request.param]).eval()


def images_of(height: int, width: int, *, batch: int = 1) -> Tensor:
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
@pytest.mark.parametrize("size", SIZES)
def test_maps_have_the_shapes_of_their_specs(backbone: TimmBackbone, size: tuple[int, int]) -> None:
    maps = backbone(images_of(*size))
    assert len(maps) == len(backbone.feature_specs)
    for x, spec in zip(maps, backbone.feature_specs, strict=True):
        assert x.shape[1] == spec.channels
        for side, pixels in zip(x.shape[2:], size, strict=True):
            assert abs(side - pixels / spec.stride) < 1
    assert backbone.embed(images_of(*size)).shape == (1, backbone.embed_dim)


@torch.no_grad()
def test_outputs_are_those_of_timm(backbone: TimmBackbone) -> None:
    options = MODELS[backbone.name]
    model = timm.create_model(backbone.name, num_classes=0, **options).eval()
    model.load_state_dict(backbone.model.state_dict())
    images = images_of(64, 64)
    expected = model.forward_head(model.forward_features(images), pre_logits=True)
    torch.testing.assert_close(backbone.embed(images), expected, rtol=1e-4, atol=1e-5)

    with torch.device("meta"):
        features = timm.create_model(
            backbone.name, features_only=True, out_indices=backbone.out_indices, **options
        )
    assert features.feature_info.channels() == [spec.channels for spec in backbone.feature_specs]
    assert features.feature_info.reduction() == [spec.stride for spec in backbone.feature_specs]
    _, expected_maps = model.forward_intermediates(images, indices=backbone.out_indices)
    for x, y in zip(backbone(images), expected_maps, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_padding_is_by_zeros_right_and_bottom() -> None:
    model = create_backbone("timm/swin_tiny_patch4_window7_224", out_indices=(0,)).eval()
    images = images_of(45, 58)
    padded = nn.functional.pad(images, (0, 2, 0, 3))
    assert torch.equal(model(images)[0], model(padded)[0])


@torch.no_grad()
def test_models_that_need_whole_cells_get_them() -> None:
    with torch.device("meta"):
        model = create_backbone("timm/hrnet_w18_small").eval()
        maps = model(torch.zeros(1, 3, 65, 97))
    assert [x.shape[2:] for x in maps] == [(33, 49), (17, 25), (9, 13), (5, 7), (3, 4)]


def test_models_of_one_fixed_size_take_smaller_images_only() -> None:
    model = create_backbone("timm/tnt_s_patch16_224", out_indices=(0, 1), dense=True).eval()
    with torch.no_grad():
        maps = model(images_of(40, 100))
    assert [x.shape for x in maps] == [(1, 384, 3, 7)] * 2
    with refuses(ConfigError, "224 x 224", "64 x 225"):
        model(images_of(64, 225))


def test_gradients_reach_every_parameter(backbone: TimmBackbone) -> None:
    dense = create_backbone(f"timm/{backbone.name}", dense=True, **MODELS[backbone.name])
    with pytest.raises(ConfigError, match="dense=True"):
        dense.embed(images_of(32, 32))
    loss: Callable[[Tensor], Tensor] = lambda x: (x * torch.randn(x.shape)).sum()  # noqa: E731
    sum(loss(x) for x in dense(images_of(64, 64, batch=2))).backward()
    assert [name for name, p in dense.named_parameters() if p.grad is None] == []


def test_fewer_levels_mean_fewer_parameters() -> None:
    whole = create_backbone("timm/resnet18", dense=True)
    shallow = create_backbone("timm/resnet18", dense=True, out_indices=(1, 2))
    assert [spec.stride for spec in shallow.feature_specs] == [4, 8]
    count = sum(p.numel() for p in shallow.parameters())
    assert count < sum(p.numel() for p in whole.parameters()) / 2
    assert [x.shape[1] for x in shallow(images_of(64, 64))] == [64, 128]


def test_options_reach_timm() -> None:
    model = create_backbone("timm/convnext_atto", in_channels=5, drop_path_rate=0.3)
    assert model.get_parameter(model.input_conv).shape[1] == 5
    rates = [m.drop_prob for m in model.modules() if type(m).__name__ == "DropPath"]
    assert max(rates) == pytest.approx(0.3)
    assert model.default_input.size == (224, 224)
    assert create_backbone("timm/tnt_s_patch16_224").default_input.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("options", [{"out_norm": True}, {"img_size": 64}, {"out_indices": (7,)}])
def test_what_a_model_cannot_do_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        create_backbone("timm/resnet18", **options)


def test_misspelt_names_and_options() -> None:
    with refuses(ConfigError, "Did you mean 'resnet18'"):
        create_backbone("timm/resnett18")
    with refuses(ConfigError, "'in_chans'", "'in_channels'"):
        create_backbone("timm/resnet18", in_chans=1)


def test_unknown_weights_of_timm_are_named() -> None:
    with pytest.raises(WeightsError, match=r"resnet18\.nobody"):
        create_backbone("timm/resnet18.nobody", pretrained=True)


def test_names_are_listed() -> None:
    names = list_backbones("timm/resnet1*")
    assert "timm/resnet18" in names
    assert all(name.startswith("timm/resnet1") for name in names)


def test_groups_and_exemptions_are_those_of_timm(backbone: TimmBackbone) -> None:
    names = {name for name, _ in backbone.named_parameters()}
    groups = backbone.layer_groups()
    assert sorted(name for group in groups for name in group) == sorted(names)
    assert len(groups) > 3
    assert backbone.input_conv in groups[0]
    assert backbone.no_weight_decay() <= names
    if backbone.name.startswith("vit"):
        assert backbone.no_weight_decay() == {"model.pos_embed", "model.cls_token"}


def test_recomputing_blocks_changes_nothing() -> None:
    torch.manual_seed(0)
    model = create_backbone("timm/vit_tiny_patch16_224", img_size=32)
    gradients = []
    for enabled in (False, True):
        model.set_grad_checkpointing(enabled)
        model.zero_grad()
        model.embed(images_of(32, 32)).pow(2).sum().backward()
        gradients.append(model.model.patch_embed.proj.weight.grad.clone())
    torch.testing.assert_close(*gradients)


class Classifier(nn.Module):
    def __init__(self, name: str, num_classes: int) -> None:
        super().__init__()
        self.backbone = create_backbone(name)
        self.head = LinearHead(self.backbone.embed_dim, num_classes=num_classes)


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "efficientnet_b0"])
def test_weights_of_timm_load_with_their_classifier(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = timm.create_model(name, num_classes=7).eval()
    task = Classifier(f"timm/{name}", 7).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    report = load_weights(task, tmp_path / "weights.pth")
    assert (report.naming, report.missing, report.unexpected) == ("timm", [], [])
    images = images_of(64, 64)
    logits = task.head(task.backbone.embed(images))["logits"]
    torch.testing.assert_close(logits, model(images), rtol=1e-4, atol=1e-5)

    again = Classifier(f"timm/{name}", 7).eval()
    assert load_weights(again, task.state_dict()).naming == "ours"
    assert torch.equal(again.backbone.embed(images), task.backbone.embed(images))
    own = create_backbone(f"timm/{name}", pretrained=str(tmp_path / "weights.pth")).eval()
    assert torch.equal(own.embed(images), task.backbone.embed(images))


def test_builds_without_memory() -> None:
    with torch.device("meta"):
        model = create_backbone("timm/vit_tiny_patch16_224")
    assert all(tensor.is_meta for tensor in model.parameters())


def test_constants_of_batch_norms() -> None:
    backbone = create_backbone("timm/resnet10t", norm_eps=1e-3, norm_momentum=0.01)
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all((m.eps, m.momentum) == (1e-3, 0.01) for m in norms)
    with refuses(ConfigError, "norm_eps", "above 0"):
        create_backbone("timm/resnet10t", norm_eps=0.0)
