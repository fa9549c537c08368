"""The encoder of volumes alone: self-supervised weights, recomputing, groups, compiling."""

from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.swin_unetr import randomise
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from vision import create_backbone, load_weights
from vision.backbones.swin_volume import SwinVolume
from vision.errors import ConfigError
from vision.weights.names.write import to_naming

TINY: dict[str, Any] = {
    "dim": 6,
    "depths": (2, 1),
    "num_heads": (1, 2),
    "window_size": 3,
    "drop_path_rate": 0.0,
}


def build(**options: Any) -> SwinVolume:
    torch.manual_seed(0)
    backbone: Any = create_backbone("swin_volume", **{**TINY, **options})
    randomise(backbone)
    return backbone


def volumes_of(*size: int, batch: int = 1, channels: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(sum(size))
    return torch.randn(batch, channels, *size, generator=generator)


def test_self_supervised_weights_load_into_more_channels_and_say_what_is_missing() -> None:
    source = build(in_channels=1)
    written = to_naming(source, "official")
    # As the oldest files have it: no name before the encoder, other words in feed-forward layers.
    old = {k.replace("mlp.linear", "mlp.fc"): v for k, v in written.items()}
    beside = {"rotation_head.weight": torch.zeros(4, 24), "contrastive_head.bias": torch.zeros(5)}
    files = [
        {f"module.{k}": v for k, v in {**old, **beside}.items()},
        {f"module.swinViT.{k}": v for k, v in written.items()},
        {f"swinViT.{k}": v for k, v in {**written, "norm.weight": torch.ones(24)}.items()},
    ]
    for state in files:
        target = build(in_channels=4)
        report = load_weights(target, {"state_dict": state})
        assert list(report.resized) == ["patch_embed.proj.weight"]
        assert not report.missing
        assert not report.unexpected
        # Four equal channels give what one gave.
        x = volumes_of(9, 12, 8)
        for ours, theirs in zip(target(x.expand(-1, 4, -1, -1, -1)), source(x), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("second", [False, True])
def test_modes_of_memory_give_the_same_gradients(second: bool) -> None:
    grads = []
    for mode in ("fast", "lean", "checkpoint"):
        backbone = build(use_v2=second).double()
        backbone.set_memory(mode)
        maps = backbone(volumes_of(14, 8, 10, batch=2).double())
        sum((x * torch.arange(x.numel()).view(x.shape).sin()).sum() for x in maps).backward()
        grads.append([parameter.grad for parameter in backbone.parameters()])
    for plain, *others in zip(*grads, strict=True):
        for again in others:
            torch.testing.assert_close(plain, again, rtol=1e-9, atol=1e-12)


def test_layer_groups_hold_each_parameter_once_by_depth() -> None:
    backbone = build(use_v2=True)
    groups = backbone.layer_groups()
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(name for name, _ in backbone.named_parameters())
    assert len(groups) == 1 + 3
    third = {name.rpartition(".")[0].split(".")[0] for name in groups[3]}
    assert third == {"convs", "merges", "stages"}
    assert not backbone.no_weight_decay()


def test_masks_and_indices_are_made_once() -> None:
    backbone = build().eval()
    with torch.no_grad():
        first = backbone(volumes_of(14, 16, 14))
        count = len(backbone.cache)
        second = backbone(volumes_of(14, 16, 14))
    assert len(backbone.cache) == count
    assert all(torch.equal(x, y) for x, y in zip(first, second, strict=True))


def test_compiles_whole_and_seldom() -> None:
    torch._dynamo.reset()
    backbone = build(depths=(2,), num_heads=(1,)).eval()
    counter = CompileCounter()
    compiled = torch.compile(backbone, fullgraph=True, backend=counter)
    with torch.no_grad():
        # One graph for each size of a volume, and batches of any size.
        for *size, batch in ((8, 10, 8, 1), (8, 10, 8, 2), (8, 10, 8, 3), (10, 8, 8, 2)):
            volumes = volumes_of(*size, batch=batch)
            for x, y in zip(compiled(volumes), backbone(volumes), strict=True):
                torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5)
    assert counter.frame_count <= 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"axes": 4}, "axes=4"),
        ({"window_size": (3, 3)}, "window_size=(3, 3)"),
        ({"num_heads": (1,)}, "num_heads=[1]"),
        ({"merging": "v3"}, "merging='v3'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with refuses(ConfigError, said):
        build(**options)
