from typing import Any

import torch
from helpers.refusals import refuses
from helpers.swin3d import head_of
from helpers.tiny_rooms import TINY, make_cloud

from vision import create_backbone
from vision.contracts.features import FeatureSpec
from vision.contracts.points import VoxelMap
from vision.errors import ConfigError
from vision.heads.points.swin3d import Swin3DHead, interpolate

SPECS = [FeatureSpec(8, 1), FeatureSpec(12, 2)]


def test_logits_of_the_voxels_as_they_came() -> None:
    torch.manual_seed(0)
    backbone: Any = create_backbone("swin3d", **TINY)
    for upsample in ("linear", "linear_attn"):
        head = head_of(backbone, num_classes=5, upsample=upsample).eval()
        cloud = make_cloud(100, 60)
        backbone.eval()
        mixed = torch.cat([torch.randperm(100), 100 + torch.randperm(60)])
        logits = head(backbone(*cloud[:3]))
        assert logits.shape == (160, 5)
        other = head(backbone(cloud.coords[mixed], cloud.counts, cloud.colors[mixed]))
        torch.testing.assert_close(other, logits[mixed])
        logits.sum().backward()
        assert [name for name, p in head.named_parameters() if p.grad is None] == []


def map_of(counts: list[int], channels: int) -> VoxelMap:
    samples = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))[:, None]
    place = torch.rand(sum(counts), 3) * 9
    signal = torch.cat([samples, place, torch.zeros_like(place)], 1)
    coords = torch.cat([samples, place.long()], 1)
    features = torch.randn(sum(counts), channels)
    return VoxelMap(coords, torch.tensor(counts), signal, features, 1)


def test_interpolation_is_that_of_a_loop() -> None:
    coarse, fine = map_of([10, 2], 4), map_of([30, 7], 4)
    found = interpolate(coarse.features, coarse, fine, 3)
    for row, (sample, *place) in enumerate(fine.signal[:, :4].tolist()):
        mine = torch.nonzero(coarse.signal[:, 0] == sample)[:, 0]
        distances = (coarse.signal[mine, 1:4] - torch.tensor(place)).norm(dim=1)
        best = distances.argsort()[:3]
        weights = 1 / (distances[best] + 1e-8)
        expected = (weights[:, None] * coarse.features[mine[best]]).sum(0) / weights.sum()
        torch.testing.assert_close(found[row], expected)


def test_a_point_that_is_a_representative_keeps_its_features() -> None:
    coarse = map_of([8], 4)
    torch.testing.assert_close(interpolate(coarse.features, coarse, coarse, 3), coarse.features)


def test_rows_of_classes_and_new_weights() -> None:
    head = Swin3DHead(SPECS, num_classes=4, num_heads=(2, 2), window_sizes=(3, 3))
    for name, rows in head.class_rows().items():
        assert rows.per_class == 1
        assert len(head.get_parameter(name)) == 4
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.fill_(9.0)
    head.reset_parameters()
    assert all(parameter.abs().max() < 2 for parameter in head.parameters())


def test_what_does_not_fit_is_refused() -> None:
    with refuses(ConfigError, "num_heads", "backbone"):
        Swin3DHead(SPECS, num_classes=4)
    with refuses(ConfigError, "window_sizes=[3]", "2 maps"):
        Swin3DHead(SPECS, num_classes=4, num_heads=(2, 2), window_sizes=[3])
    for options, words in (
        ({"num_classes": 0}, "num_classes=0"),
        ({"upsample": "cubic"}, "'linear_attn'"),
        ({"up_k": 0}, "up_k=0"),
    ):
        with refuses(ConfigError, words):
            Swin3DHead(SPECS, **{"num_classes": 3, "upsample": "linear", **options})
    with refuses(ConfigError, "at least two maps"):
        Swin3DHead(SPECS[:1], num_classes=3, upsample="linear")
