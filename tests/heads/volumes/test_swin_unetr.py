"""Swin UNETR against MONAI's own network, and what holds for any size of volumes."""

from typing import Any

import pytest
import torch
from helpers.parity_files import relative_error
from helpers.refusals import refuses
from helpers.swin_unetr import Network, randomise
from torch import Tensor, nn

from vision import create_backbone, load_weights
from vision.contracts.features import FeatureSpec, VolumeSpec
from vision.errors import ConfigError
from vision.heads.volumes.padding import padded_outputs, padded_size
from vision.heads.volumes.swin_unetr import SwinUNETRHead
from vision.weights.names.write import to_naming

TINY: dict[str, Any] = {
    "in_channels": 2,
    "out_channels": 3,
    "feature_size": 12,
    "depths": (2, 1, 1, 1),
    "num_heads": (1, 2, 2, 4),
    "window_size": 4,
}


def volumes_of(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.fixture(scope="module")
def tiny() -> Network:
    # MONAI's features are multiples of 12.
    network = Network({**TINY, "feature_size": 4})
    randomise(network)
    return network.eval()


def check_gradients(ours: Network, theirs: Any, volumes: Tensor) -> None:
    """Logits, and gradients of the first layers and of a table of biases, in training."""
    results = []
    for model in (ours.double().train(), theirs.double().train()):
        logits = model(volumes)
        (logits * volumes_of(*logits.shape).double()).sum().backward()
        results.append(logits)
    assert relative_error(*results) < 1e-9
    pairs = [
        (ours.backbone.patch_embed.proj, theirs.swinViT.patch_embed.proj, "weight"),
        (ours.head.skips[0].conv1, theirs.encoder1.layer.conv1.conv, "weight"),
        (
            ours.backbone.stages[0][-1].attn,
            theirs.swinViT.layers1[0].blocks[-1].attn,
            "relative_position_bias_table",
        ),
    ]
    for own, other, name in pairs:
        assert relative_error(getattr(own, name).grad, getattr(other, name).grad) < 1e-9


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((1, 64, 32, 32), {"use_v2": True, "window_size": (4, 7, 3)}),
        ((1, 32, 64, 32), {"downsample": "mergingv2", "patch_norm": True, "normalize": False}),
        ((1, 32, 32, 64), {"depths": (1, 2, 2, 1), "mlp_ratio": 2.0, "qkv_bias": False}),
        ((2, 96, 64), {"spatial_dims": 2, "use_v2": True, "window_size": 5}),
        ((1, 64, 64), {"spatial_dims": 2, "downsample": "mergingv2", "window_size": (8, 3)}),
    ],
)
def test_logits_and_gradients_are_monais(size: tuple[int, ...], options: dict[str, Any]) -> None:
    pytest.importorskip("einops")
    monai = pytest.importorskip("monai.networks.nets.swin_unetr")
    given = {**TINY, **options}
    ours = Network(given)
    randomise(ours)
    theirs = monai.SwinUNETR(**given)
    theirs.load_state_dict(to_naming(ours, "official"))
    volumes = volumes_of(size[0], 2, *size[1:]).double()
    if len(size) == 3:
        check_gradients(ours, theirs, volumes)
    else:  # gradients of volumes are slow
        ours.double().eval()
        theirs.double().eval()
        with torch.no_grad():
            assert relative_error(ours(volumes), theirs(volumes)) < 1e-9
    fresh = Network(given)
    report = load_weights(fresh, {f"module.{k}": v for k, v in theirs.state_dict().items()})
    assert (report.missing, report.unexpected) == ([], [])
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(tensor, ours.state_dict()[name].float()), name


@pytest.mark.parametrize(
    ("dim", "plain", "second"),
    [(12, 4_079_373, 4_740_333), (24, 15_705_621, 18_349_461), (48, 62_191_941, 72_767_301)],
)
def test_variants_have_the_published_numbers_of_parameters(
    dim: int, plain: int, second: int
) -> None:
    for name, expected in ((f"swin_volume_{dim}", plain), (f"swin_volume_{dim}_v2", second)):
        with torch.device("meta"):
            backbone: Any = create_backbone(name, in_channels=4)
            head = SwinUNETRHead(backbone.feature_specs, in_channels=4, num_outputs=3)
        parameters = [*backbone.parameters(), *head.parameters()]
        assert sum(parameter.numel() for parameter in parameters) == expected
        assert all(parameter.is_meta for parameter in parameters)


@pytest.mark.parametrize(
    ("size", "padded"),
    [((30, 45, 64), [32, 64, 64]), ((32, 32, 32), [32, 32, 64]), ((1, 2, 3), [32, 32, 64])],
)
def test_volumes_of_any_size_are_padded_at_the_end(
    tiny: Network, size: tuple[int, ...], padded: list[int]
) -> None:
    assert padded_size(size, (32, 32, 32)) == padded
    volumes = volumes_of(1, 2, *size)
    whole = torch.zeros(1, 2, *padded)
    whole[..., : size[0], : size[1], : size[2]] = volumes
    with torch.no_grad():
        expected = tiny.head(tiny.backbone(whole), whole)["logits"]
        logits = tiny(volumes)
    assert logits.shape == (1, 3, *size)
    assert torch.equal(logits, expected[..., : size[0], : size[1], : size[2]])
    assert tiny.training is False


def test_a_batch_of_one_equals_a_batch_of_many(tiny: Network) -> None:
    volumes = volumes_of(3, 2, 33, 32, 32).double()
    with torch.no_grad():
        model = Network({**TINY, "feature_size": 4}).double().eval()
        model.load_state_dict(tiny.state_dict())
        torch.testing.assert_close(model(volumes)[1:2], model(volumes[1:2]), rtol=1e-9, atol=1e-9)


def test_a_patch_of_32_trains_every_parameter_also_of_coarser_maps() -> None:
    model = Network({**TINY, "feature_size": 4}, deep_supervision=2)
    randomise(model)
    outputs = padded_outputs(model.backbone, model.head, volumes_of(1, 2, 32, 32, 32))
    assert [tuple(x.shape[1:]) for x in outputs["deeper"]] == [(3, 16, 16, 32), (3, 8, 8, 16)]
    maps = [outputs["logits"], *outputs["deeper"]]
    torch.stack([(x * volumes_of(*x.shape)).sum() for x in maps]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name
    model.eval()
    with torch.no_grad():
        outputs = padded_outputs(model.backbone, model.head, volumes_of(1, 2, 32, 32, 32))
    assert "deeper" not in outputs
    # MONAI has no names for them; what it has is written.
    assert not any("deeper" in name for name in to_naming(model, "official"))


def test_strides_may_differ_by_axis() -> None:
    backbone: Any = create_backbone(
        "swin_volume",
        dim=12,
        patch_size=(1, 2, 4),
        depths=(1, 1),
        num_heads=(1, 2),
        window_size=(2, 3, 4),
    )
    assert backbone.feature_specs[-1] == VolumeSpec(48, (4, 8, 16))
    head = SwinUNETRHead(backbone.feature_specs, in_channels=1, num_outputs=2)
    volumes = volumes_of(1, 1, 8, 20, 16)
    shapes = [(8, 10, 4), (4, 5, 2), (2, 3, 1)]
    assert [tuple(x.shape[2:]) for x in backbone(volumes)] == shapes
    assert padded_outputs(backbone, head, volumes)["logits"].shape == (1, 2, 8, 20, 16)


def test_what_does_not_fit_is_refused(tiny: Network) -> None:
    with refuses(ConfigError, "(32, 32, 32)", "padded_outputs"):
        tiny.head(tiny.backbone(volumes_of(1, 2, 32, 32, 32)), volumes_of(1, 2, 32, 32, 32))
    with refuses(ConfigError, "C = 2", "(1, 1, 32, 32, 64)"):
        tiny(volumes_of(1, 1, 32, 32, 32))
    specs = tiny.backbone.feature_specs
    with refuses(ConfigError, "num_outputs=0"):
        SwinUNETRHead(specs, in_channels=1, num_outputs=0)
    with refuses(ConfigError, "deep_supervision=5", "4"):
        SwinUNETRHead(specs, in_channels=1, num_outputs=1, deep_supervision=5)
    images: Any = [FeatureSpec(4, 4), FeatureSpec(8, 8)]
    with refuses(ConfigError, "maps of images", "swin_volume_48"):
        SwinUNETRHead(images, in_channels=1, num_outputs=1)


def test_a_head_with_other_outputs_is_initialised_and_the_rest_kept(tiny: Network) -> None:
    other = Network({**TINY, "feature_size": 4, "out_channels": 5})
    report = load_weights(other, to_naming(tiny, "official"))
    assert sorted(report.reinitialised) == ["head.out.bias", "head.out.weight"]
    assert torch.equal(other.head.ups[0].up.weight, tiny.head.ups[0].up.weight)


def initial_spread(layer: nn.Module) -> float:
    weight: Any = layer.weight
    return weight.std().item() * weight[0].numel() ** 0.5


def test_resetting_gives_pytorchs_initial_values(tiny: Network) -> None:
    head = SwinUNETRHead(tiny.backbone.feature_specs, in_channels=2, num_outputs=3)
    before = head.bottleneck.conv1.weight.clone()
    head.reset_parameters()
    assert not torch.equal(head.bottleneck.conv1.weight, before)
    assert initial_spread(head.bottleneck.conv1) == pytest.approx(3**-0.5, rel=0.02)
