from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.swin3d import head_of
from helpers.tiny_rooms import TINY, Cloud, make_cloud

from vision import create_backbone
from vision.backbones.swin3d import Swin3D
from vision.contracts.points import VoxelMap
from vision.errors import ConfigError
from vision.weights.names.write import to_naming

OPTIONS: list[dict[str, Any]] = [
    {},
    {"stem_transformer": False},
    {"knn_down": False, "first_down_stride": 3},
    {"stem_transformer": False, "knn_down": False, "in_channels": 3, "num_layers": 2},
    {"encoding": "XYZ_RGB_NORM", "in_channels": 9, "first_down_stride": 3},
    {"encoding": "XYZ", "in_channels": 6},
    {"in_channels": 9},
]


def tiny(**options: Any) -> Swin3D:
    torch.manual_seed(0)
    encoder: Any = create_backbone("swin3d", **{**TINY, **options})
    return encoder


def run(encoder: Swin3D, cloud: Cloud) -> list[VoxelMap]:
    return encoder(*cloud)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_maps_are_those_of_the_specs(options: dict[str, Any]) -> None:
    encoder, cloud = tiny(**options), make_cloud(150, 90)
    maps = run(encoder, cloud)
    assert len(maps) == len(encoder.feature_specs)
    for x, spec in zip(maps, encoder.feature_specs, strict=True):
        assert (x.features.shape[1], x.stride) == spec
        assert len(x.features) == len(x.coords) == len(x.signal) == int(x.counts.sum())
        assert x.coords[:, 0].bincount().tolist() == x.counts.tolist()
        assert not (x.coords[:, 1:] % x.stride).any()
        # What stands for a voxel lies in it.
        assert x.signal[:, 1:4].div(x.stride).floor().mul(x.stride).equal(x.coords[:, 1:].float())
    assert maps[0].coords[:, 1:].equal(cloud.coords.floor().long())
    maps[-1].features.sum().backward()
    sum(x.features.square().sum() for x in run(encoder, cloud)).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
def test_the_order_of_points_changes_nothing(options: dict[str, Any]) -> None:
    encoder, cloud = tiny(**options).eval(), make_cloud(140)
    # On a grid and in one colour many voxels are equally near.
    cloud = cloud._replace(coords=cloud.coords.floor() + 0.5, colors=torch.zeros(140, 3))
    mixed = torch.randperm(140)
    with torch.no_grad():
        maps = run(encoder, cloud)
        others = run(encoder, Cloud(*(x if i == 1 else x[mixed] for i, x in enumerate(cloud))))
    assert others[0].features.equal(maps[0].features[mixed])
    for one, other in zip(maps[1:], others[1:], strict=True):
        assert one.coords.equal(other.coords)
        assert one.features.equal(other.features)


def test_clouds_give_what_they_give_alone() -> None:
    encoder = tiny().eval()
    clouds = [make_cloud(count, seed=count) for count in (90, 9, 120)]
    together = Cloud(*(torch.cat(parts) for parts in zip(*clouds, strict=True)))
    with torch.no_grad():
        maps = run(encoder, together)
        for i, cloud in enumerate(clouds):
            for whole, alone in zip(maps, run(encoder, cloud), strict=True):
                mine = whole.coords[:, 0] == i
                assert whole.coords[mine, 1:].equal(alone.coords[:, 1:])
                torch.testing.assert_close(whole.features[mine], alone.features)


def test_recomputed_blocks_give_the_same_gradients() -> None:
    encoder, cloud = tiny(drop_path_rate=0.0), make_cloud(80)
    found = []
    for recompute in (False, True):
        encoder.set_grad_checkpointing(recompute)
        encoder.zero_grad()
        run(encoder, cloud)[-1].features.square().sum().backward()
        found.append([p.grad.clone() for p in encoder.parameters()])
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_groups_hold_every_parameter_once(options: dict[str, Any]) -> None:
    encoder = tiny(**options)
    groups = encoder.layer_groups()
    names = [name for group in groups for name in group]
    assert sorted(names) == sorted(name for name, _ in encoder.named_parameters())
    assert all(name.startswith("stem.") for name in groups[0])
    blocks = sum(len(blocks) for blocks in encoder.stages)
    assert len(groups) == 1 + blocks
    assert encoder.no_weight_decay() == set()


@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
def test_the_names_of_the_authors_are_written(options: dict[str, Any]) -> None:
    encoder = tiny(**options)
    keys = to_naming(encoder, "official").keys()
    plain = not options.get("stem_transformer", True)
    assert f"stem_layer.{'0.' if plain else ''}conv_layers.1.bn.running_mean" in keys
    assert ("stem_layer.1.norm2.bn.weight" in keys) == plain
    norm = "norm.weight" if options.get("knn_down", True) else "norm.norm.weight"
    assert (f"downsample.{norm}" in keys) == plain
    assert "layers.0.blocks.0.attn.query_xyz_table" in keys


def test_published_sizes() -> None:
    counts = {}
    with torch.device("meta"):
        for encoding, channels in (("XYZ_RGB", 6), ("XYZ_RGB_NORM", 9)):
            for name in ("swin3d_small", "swin3d_large"):
                encoder: Any = create_backbone(name, encoding=encoding, in_channels=channels)
                for upsample in ("linear", "linear_attn"):
                    head = head_of(encoder, num_classes=13, upsample=upsample)
                    parts = [*encoder.parameters(), *head.parameters()]
                    counts[name, encoding, upsample] = sum(p.numel() for p in parts)
    assert [*counts.values()] == [
        *(23_573_005, 26_495_773, 60_756_493, 68_238_973),
        *(25_097_533, 28_227_661, 63_297_373, 71_125_453),
    ]


def test_what_does_not_fit_is_refused() -> None:
    cloud = make_cloud(40)
    with refuses(ConfigError, "normals", "XYZ_RGB"):
        tiny(encoding="XYZ_RGB_NORM", in_channels=9)(*cloud[:3])
    with refuses(ConfigError, "in_channels=4", "expected 3, or 6"):
        tiny(in_channels=4)
    with refuses(ConfigError, "depths=[2, 1, 2]", "4 stages"):
        tiny(num_layers=4)
    for options in (
        *({"num_layers": 1}, {"window_sizes": (0, 3, 3)}, {"depths": (1, -1, 1)}),
        *({"first_down_stride": 0}, {"quant_size": 0}, {"drop_path_rate": 2}),
        {"num_heads": (0, 2, 2)},
    ):
        ((name, value),) = options.items()
        with refuses(ConfigError, name, str(value).strip("()")):
            tiny(**options)
    twice = cloud.coords.clone()
    twice[3] = twice[7]
    with refuses(ConfigError, "holds 2 points", "voxelise"):
        tiny()(twice, *cloud[1:3])
