"""The FCOS head against torchvision's with the same weights, and image by image."""

import pytest
import torch
import torchvision
from helpers.refusals import refuses
from torch import Tensor

from vision.contracts.features import ClassRows, FeatureSpec
from vision.errors import ConfigError
from vision.heads.detection.fcos import FCOSHead

SPECS = (FeatureSpec(8, 8), FeatureSpec(8, 16), FeatureSpec(8, 32))
CELLS = ((8, 12), (4, 6), (2, 3))
SIZES = torch.tensor([[64, 96], [50, 70], [33, 96]])


def some_features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 8, *cells, generator=generator) for cells in CELLS]


def some_head(**options) -> FCOSHead:
    torch.manual_seed(0)
    head = FCOSHead(SPECS, num_classes=4, channels=8, num_groups=2, num_convs=2, **options)
    for name, parameter in head.named_parameters():
        if name == "scales":
            torch.nn.init.uniform_(parameter, 0.5, 2.0)
        else:
            torch.nn.init.normal_(parameter, std=0.3)
    torch.nn.init.constant_(head.distances.bias, 1.0)
    return head.eval()


def training_outputs(head: FCOSHead, features: list[Tensor]) -> dict[str, Tensor]:
    return head(features, SIZES, targets=[])


def torchvision_outputs(head: FCOSHead, features: list[Tensor]) -> dict[str, Tensor]:
    other = torchvision.models.detection.fcos.FCOSHead(32, 1, 4)  # its groups of 32 are replaced
    for tower, convs in (
        (other.classification_head, head.class_convs),
        (other.regression_head, head.box_convs),
    ):
        layers = [layer for block in convs for layer in (block.conv, block.norm, torch.nn.ReLU())]
        tower.conv = torch.nn.Sequential(*layers)
    other.classification_head.cls_logits = head.logits
    other.regression_head.bbox_reg = head.distances
    other.regression_head.bbox_ctrness = head.centerness
    return other(features)


def test_outputs_equal_torchvision_without_scales() -> None:
    head, features = some_head(), some_features()
    torch.nn.init.ones_(head.scales)
    outputs, expected = training_outputs(head, features), torchvision_outputs(head, features)
    torch.testing.assert_close(outputs["logits"], expected["cls_logits"])
    torch.testing.assert_close(outputs["distances"], expected["bbox_regression"])
    torch.testing.assert_close(outputs["centerness"], expected["bbox_ctrness"][..., 0])


def test_each_level_has_its_scale() -> None:
    head, features = some_head(), some_features()
    scaled = training_outputs(head, features)["distances"]
    scales = head.scales.detach().clone()
    torch.nn.init.ones_(head.scales)
    plain = training_outputs(head, features)["distances"]
    by_place = torch.cat([s.expand(h * w) for s, (h, w) in zip(scales, CELLS, strict=True)])
    torch.testing.assert_close(scaled, plain * by_place[:, None])


def test_points_and_strides_are_those_of_the_cells() -> None:
    outputs = training_outputs(some_head(), some_features())
    assert outputs["points"].shape == (96 + 24 + 6, 2)
    assert outputs["points"][[0, 13, 96, -1]].tolist() == [[4, 4], [12, 12], [8, 8], [80, 48]]
    assert outputs["strides"].tolist() == [8.0] * 96 + [16.0] * 24 + [32.0] * 6


def detect_by_hand(outputs: dict[str, Tensor], image: int) -> tuple[Tensor, Tensor, Tensor]:
    """One image at a time: threshold, best of each level, class score times centerness."""
    height, width = SIZES[image].tolist()
    counts = [h * w for h, w in CELLS]
    found = []
    for level, count in enumerate(counts):
        part = slice(sum(counts[:level]), sum(counts[:level]) + count)
        flat = outputs["logits"][image, part].sigmoid().flatten()
        kept = (flat > 0.05).nonzero()[:, 0]
        kept = kept[flat[kept].argsort(descending=True)][:50]
        for place in kept.tolist():
            row = place // 4
            x, y = outputs["points"][part][row].tolist()
            sides = outputs["distances"][image, part][row] * SPECS[level].stride
            left, top, right, bottom = sides.tolist()
            score = flat[place] * outputs["centerness"][image, part][row].sigmoid()
            found.append([x - left, y - top, x + right, y + bottom, score.item(), place % 4])
    table = torch.tensor(found)
    table[:, :4] = torchvision.ops.clip_boxes_to_image(table[:, :4], (height, width))
    table = table[(table[:, 2] > table[:, 0]) & (table[:, 3] > table[:, 1])]
    box = table[:, :4]
    kept = torchvision.ops.batched_nms(box, table[:, 4], table[:, 5].long(), 0.6)[:20]
    return box[kept], table[kept, 4], table[kept, 5].long()


def test_detections_equal_one_image_at_a_time() -> None:
    head, features = some_head(topk_candidates=50, max_per_image=20), some_features()
    found = head(features, SIZES)
    outputs = training_outputs(head, features)
    for i in range(3):
        boxes, scores, labels = detect_by_hand(outputs, i)
        count = len(scores)
        assert found["count"][i] == count > 0
        torch.testing.assert_close(found["boxes"][i, :count], boxes, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(found["scores"][i, :count], scores)
        assert torch.equal(found["labels"][i, :count], labels)


def test_a_batch_of_three_equals_three_images() -> None:
    head, features = some_head(), some_features()
    together = head(features, SIZES)
    for i in range(3):
        alone = head([level[i : i + 1] for level in features], SIZES[i : i + 1])
        assert together["count"][i] == alone["count"][0] > 0
        assert torch.equal(together["labels"][i], alone["labels"][0])
        for key in ("boxes", "scores"):
            torch.testing.assert_close(together[key][i], alone[key][0], rtol=1e-5, atol=1e-4)


def test_autocast_keeps_boxes_in_float32() -> None:
    head = some_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(some_features(), SIZES)
        outputs = training_outputs(head, some_features())
    assert outputs["logits"].dtype == torch.bfloat16
    assert outputs["distances"].dtype == found["boxes"].dtype == found["scores"].dtype
    assert found["boxes"].dtype == torch.float32


def test_published_initial_state() -> None:
    head = FCOSHead(SPECS, num_classes=80)
    torch.testing.assert_close(head.logits.bias.sigmoid(), torch.full((80,), 0.01))
    assert head.distances.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert head.scales.tolist() == [1.0, 1.0, 1.0]
    assert {block.norm.num_groups for block in (*head.class_convs, *head.box_convs)} == {32}
    names = {name for name, _ in head.named_parameters()}
    towers = {
        f"{tower}.{i}.{layer}.{kind}"
        for tower in ("class_convs", "box_convs")
        for i in range(4)
        for layer in ("conv", "norm")
        for kind in ("weight", "bias")
    }
    last = {
        f"{layer}.{kind}"
        for layer in ("logits", "distances", "centerness")
        for kind in ("weight", "bias")
    }
    assert names == towers | last | {"scales"}


def test_reset_restores_scales_and_norms() -> None:
    head = some_head()
    head.reset_parameters()
    assert head.scales.tolist() == [1.0, 1.0, 1.0]
    assert head.box_convs[0].norm.weight.tolist() == [1.0] * 8
    assert not head.box_convs[0].norm.bias.any()


def test_class_rows_describe_the_last_layer() -> None:
    head = some_head()
    rows = head.class_rows()
    assert rows == dict.fromkeys(("logits.weight", "logits.bias"), ClassRows(1, 1, False))
    parameters = dict(head.named_parameters())
    assert all(len(parameters[name]) == 4 for name in rows)


def test_unfit_groups_are_refused() -> None:
    with refuses(ConfigError, "channels=48", "32 groups"):
        FCOSHead(SPECS, num_classes=4, channels=48)


def test_it_exports() -> None:
    head, features = some_head(), some_features()
    program = torch.export.export(head, (features, SIZES), strict=False)
    expected = head(features, SIZES)
    exported = program.module()(features, SIZES)
    for key, value in expected.items():
        torch.testing.assert_close(exported[key], value)
