"""`load_weights` on small ConvNeXts."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.errors import ConfigError, WeightsError
from vision.heads.classification.linear import LinearHead

SMALL = {"dims": (8, 16, 16, 32), "depths": (1, 1, 2, 1)}


class Classifier(nn.Module):
    def __init__(self, num_classes: int, **options: Any) -> None:
        super().__init__()
        self.backbone = create_backbone("convnext", **{**SMALL, **options})
        self.head = LinearHead(self.backbone.embed_dim, num_classes=num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone.embed(images))["logits"]


def build(num_classes: int = 5, *, seed: int = 0, **options: Any) -> Classifier:
    torch.manual_seed(seed)
    return Classifier(num_classes, **options).eval()


def as_official(model: Classifier) -> dict[str, Tensor]:
    """The state dict under the names of facebookresearch/ConvNeXt."""
    official = {}
    for name, tensor in model.state_dict().items():
        key = name.removeprefix("backbone.").replace("downsample.", "downsample_layers.")
        key = key.replace(".conv.", ".dwconv.").replace(".mlp.fc", ".pwconv")
        official[key.replace("head.fc.", "head.")] = tensor
    return official


def assert_equal(actual: nn.Module, expected: nn.Module) -> None:
    state = expected.state_dict()
    assert list(actual.state_dict()) == list(state)
    for name, tensor in actual.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_whole_model_loads_without_remainder() -> None:
    source, target = build(seed=1), build()
    report = load_weights(target, {"model": as_official(source)})
    assert report.naming == "official"
    assert sorted(report.loaded) == sorted(target.state_dict())
    assert (report.resized, report.reinitialised) == ({}, [])
    assert (report.missing, report.unexpected) == ([], [])
    assert_equal(target, source)


def test_own_checkpoints_load_with_their_prefixes(tmp_path: Path) -> None:
    source, target = build(seed=1), build()
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": source.state_dict(), "epoch": 3}, path)
    assert load_weights(target, path).naming == "ours"
    assert_equal(target, source)
    backbone = create_backbone("convnext", **SMALL)
    report = load_weights(backbone, path)
    assert (report.missing, report.unexpected) == ([], [])
    assert_equal(backbone, source.backbone)


def test_a_bare_backbone_needs_no_classifier() -> None:
    source = build(seed=1)
    backbone = create_backbone("convnext", **SMALL)
    report = load_weights(backbone, as_official(source))
    assert (report.missing, report.unexpected) == ([], [])
    assert_equal(backbone, source.backbone)


def test_a_classifier_of_another_size_is_initialised_afresh(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, target = build(5, seed=1), build(7)
    nn.init.constant_(target.head.fc.bias, 3.0)
    with caplog.at_level(logging.WARNING):
        report = load_weights(target, as_official(source))
    assert report.reinitialised == ["head.fc.weight", "head.fc.bias"]
    assert not report.missing
    assert not any(name.startswith("head") for name in report.loaded)
    assert (target.head.fc.bias == 0).all()
    assert "reinitialised 2: head.fc.weight, head.fc.bias" in caplog.text
    assert_equal(target.backbone, source.backbone)


def test_what_is_missing_or_unexpected_is_said(caplog: pytest.LogCaptureFixture) -> None:
    state = as_official(build(seed=1))
    del state["norm.bias"], state["head.bias"]
    state["norm3.weight"] = torch.ones(32)  # an output norm of the dense variant
    with caplog.at_level(logging.WARNING):
        report = load_weights(build(), state)
    assert report.missing == ["backbone.norm.bias", "head.fc.bias"]
    assert report.unexpected == ["backbone.out_norms.3.weight"]
    assert "missing 2: backbone.norm.bias, head.fc.bias" in str(report)
    assert str(report) in caplog.text


def test_long_lists_are_cut_in_the_text_alone() -> None:
    report = load_weights(
        build(),
        {**build().state_dict(), **{f"criterion.{i}": torch.zeros(1) for i in range(9)}},
    )
    assert len(report.unexpected) == 9
    assert "unexpected 9: " in str(report)
    assert "and 3 more" in str(report)


@torch.no_grad()
@pytest.mark.parametrize("in_channels", [1, 4, 6])
def test_other_image_channels_respond_alike_to_grey(in_channels: int) -> None:
    source, target = build(seed=1), build(in_channels=in_channels)
    report = load_weights(target, as_official(source))
    assert report.resized == {
        "backbone.downsample.0.0.weight": ((8, 3, 4, 4), (8, in_channels, 4, 4))
    }
    grey = torch.randn(2, 1, 40, 48)
    torch.testing.assert_close(
        target(grey.expand(-1, in_channels, -1, -1)),
        source(grey.expand(-1, 3, -1, -1)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_weights_of_another_variant_are_refused() -> None:
    with refuses(WeightsError, "8", "ConvNeXt"):
        load_weights(
            create_backbone("convnext", dims=(16,) * 4, depths=(1,) * 4), build().state_dict()
        )


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.85])
def test_weights_of_another_model_are_refused(kept: float) -> None:
    target = build()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    state = as_official(build(seed=1))
    other = {
        key if i < kept * len(state) else f"x.{key}": tensor
        for i, (key, tensor) in enumerate(state.items())
    }
    with pytest.raises(WeightsError, match=r"fill only \d+ of \d+ parameters.*first missing: '"):
        load_weights(target, other)
    for name, tensor in target.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("num_classes", [5, 7])
def test_a_model_without_memory_gets_the_tensors_themselves(num_classes: int) -> None:
    source = build(seed=1)
    with torch.device("meta"):
        target = build(num_classes)
    load_weights(target, as_official(source))
    assert not any(tensor.is_meta for tensor in target.state_dict().values())
    assert all(parameter.requires_grad for parameter in target.parameters())
    assert_equal(target.backbone, source.backbone)
    target(torch.randn(1, 3, 32, 32)).sum().backward()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_another_precision_is_cast(device: str) -> None:
    source = build(seed=1)
    with torch.device(device):
        target = build()
    load_weights(target, {key: tensor.half() for key, tensor in source.state_dict().items()})
    assert target.head.fc.weight.dtype == torch.float32
    assert torch.equal(target.head.fc.weight, source.head.fc.weight.half().float())


def test_a_module_without_a_backbone_is_refused() -> None:
    with refuses(ConfigError, "accepts", "Backbone", "Linear"):
        load_weights(nn.Linear(2, 2), {"weight": torch.zeros(2, 2)})


def test_classes_of_the_same_name_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    source, target = build(5, seed=1), build(3)
    checkpoint = {"state_dict": source.state_dict(), "class_names": ["a", "b", "c", "d", "e"]}
    nn.init.constant_(target.head.fc.bias, 3.0)
    with caplog.at_level(logging.WARNING):
        report = load_weights(target, checkpoint, class_names=["e", "new", "b"])
    assert report.mapped == "mapped 2 of 5 classes by name: e, b; 1 without a counterpart: new"
    assert report.mapped in caplog.text
    assert sorted(report.loaded) == sorted(target.state_dict())
    assert not report.missing + report.unexpected + report.reinitialised
    for name in ("weight", "bias"):
        ours, theirs = (getattr(model.head.fc, name) for model in (target, source))
        assert torch.equal(ours[[0, 2]], theirs[[4, 1]])
    assert target.head.fc.bias[1] == 0
    assert_equal(target.backbone, source.backbone)


def test_the_same_classes_in_another_order_are_reordered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source, target = build(3, seed=1), build(3)
    target.class_names = ["c", "a", "b"]
    checkpoint = {"state_dict": source.state_dict(), "class_names": ["a", "b", "c"]}
    with caplog.at_level(logging.WARNING):
        report = load_weights(target, checkpoint)
    assert report.mapped == "mapped 3 of 3 classes by name: c, a, b"
    assert not caplog.text
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(target(images), source(images)[:, [2, 0, 1]])


def test_what_the_source_lacks_keeps_its_values_beside_fresh_classes() -> None:
    state = as_official(build(5, seed=1))
    target = build(7)
    target.head.scale = nn.Parameter(torch.full((2,), 5.0))
    target.head.reset_parameters = lambda: nn.init.zeros_(target.head.scale)
    report = load_weights(target, state)
    assert report.missing == ["head.scale"]
    assert (target.head.scale == 5).all()


def test_weights_of_another_width_are_initialised_afresh_with_their_bias() -> None:
    state = build(5, seed=1).state_dict()
    state["head.fc.weight"] = torch.zeros(5, 7)
    report = load_weights(build(5), state)
    assert report.reinitialised == ["head.fc.weight", "head.fc.bias"]
