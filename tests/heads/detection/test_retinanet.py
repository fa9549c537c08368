"""The RetinaNet head against torchvision's with the same weights, and image by image."""

import pytest
import torch
import torchvision
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator

from vision.contracts.features import ClassRows, FeatureSpec
from vision.heads.detection.retinanet import RetinaNetHead

SPECS = (FeatureSpec(8, 8), FeatureSpec(8, 16), FeatureSpec(8, 32))
CELLS = ((8, 12), (4, 6), (2, 3))
SIZES = torch.tensor([[64, 96], [50, 70], [33, 96]])


def some_features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, 8, *cells, generator=generator) for cells in CELLS]


def some_head(**options) -> RetinaNetHead:
    torch.manual_seed(0)
    head = RetinaNetHead(SPECS, num_classes=4, channels=8, num_convs=2, **options)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    # Boxes near their anchors.
    torch.nn.init.normal_(head.deltas.weight, std=0.02)
    return head.eval()


def torchvision_outputs(head: RetinaNetHead, features: list[Tensor]) -> dict[str, Tensor]:
    other = torchvision.models.detection.retinanet.RetinaNetHead(8, 9, 4)
    for tower, convs, last, ours in (
        (other.classification_head, head.class_convs, "cls_logits", head.logits),
        (other.regression_head, head.box_convs, "bbox_reg", head.deltas),
    ):
        tower.conv = torch.nn.Sequential(
            *(torch.nn.Sequential(conv, torch.nn.ReLU()) for conv in convs)
        )
        setattr(tower, last, ours)
    return other(features)


def training_outputs(head: RetinaNetHead, features: list[Tensor]) -> dict[str, Tensor]:
    return head(features, SIZES, targets=[])


def test_logits_and_deltas_equal_torchvision() -> None:
    head, features = some_head(), some_features()
    outputs, expected = training_outputs(head, features), torchvision_outputs(head, features)
    torch.testing.assert_close(outputs["logits"], expected["cls_logits"])
    torch.testing.assert_close(outputs["deltas"], expected["bbox_regression"])


def test_published_anchors() -> None:
    """Sides of 4, 4 * 2^(1/3) and 4 * 2^(2/3) strides, in the order of mmdetection."""
    anchors = training_outputs(some_head(), some_features())["anchors"]
    assert anchors.shape == (9 * (96 + 24 + 6), 4)
    first = anchors[:9]
    sides = first[:, 2:] - first[:, :2]
    for i, ratio in enumerate((0.5, 1.0, 2.0)):
        for j in range(3):
            width, height = sides[3 * i + j].tolist()
            assert height / width == pytest.approx(ratio)
            assert (height * width) ** 0.5 == pytest.approx(8 * 4 * 2 ** (j / 3))
    assert torch.allclose(first[:, :2], -first[:, 2:])
    last = anchors[-9:]
    torch.testing.assert_close((last[:, :2] + last[:, 2:]) / 2, torch.tensor([[64.0, 32]] * 9))


def test_anchors_equal_torchvision_but_for_rounding() -> None:
    sizes = tuple(tuple(4.0 * s.stride * 2 ** (i / 3) for i in range(3)) for s in SPECS)
    generator = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 3)
    images = torchvision.models.detection.image_list.ImageList(
        torch.zeros(1, 3, 64, 96), [(64, 96)]
    )
    expected = generator(images, some_features())[0]
    anchors = training_outputs(some_head(), some_features())["anchors"]
    assert (anchors - expected).abs().max() <= 0.5


def detect_by_hand(outputs: dict[str, Tensor], image: int) -> tuple[Tensor, Tensor, Tensor]:
    """One image at a time, all pairs of anchor and class in turn."""
    height, width = SIZES[image].tolist()
    counts = [9 * h * w for h, w in CELLS]
    boxes, scores, labels = [], [], []
    for logits, deltas, anchors in zip(
        outputs["logits"][image].split(counts),
        outputs["deltas"][image].split(counts),
        outputs["anchors"].split(counts),
        strict=True,
    ):
        flat = logits.sigmoid().flatten()
        kept = (flat > 0.05).nonzero()[:, 0]
        kept = kept[flat[kept].argsort(descending=True)][:50]
        decoded = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(deltas, anchors)[kept // 4]
        boxes.append(torchvision.ops.clip_boxes_to_image(decoded, (height, width)))
        scores.append(flat[kept])
        labels.append(kept % 4)
    box, score, label = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    whole = (box[:, 2:] > box[:, :2]).all(dim=1)
    box, score, label = box[whole], score[whole], label[whole]
    kept = torchvision.ops.batched_nms(box, score, label, 0.5)[:20]
    return box[kept], score[kept], label[kept]


def test_detections_equal_one_image_at_a_time() -> None:
    head, features = some_head(topk_candidates=50, max_per_image=20), some_features()
    found = head(features, SIZES)
    outputs = training_outputs(head, features)
    assert found["boxes"].shape == (3, 20, 4)
    for i in range(3):
        boxes, scores, labels = detect_by_hand(outputs, i)
        count = len(scores)
        assert found["count"][i] == count > 0
        torch.testing.assert_close(found["boxes"][i, :count], boxes, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(found["scores"][i, :count], scores)
        assert torch.equal(found["labels"][i, :count], labels)
    predictions = head.predict(found, SIZES, 2 * SIZES)
    torch.testing.assert_close(predictions[1]["boxes"], 2 * found["boxes"][1, : found["count"][1]])


def test_a_batch_of_three_equals_three_images() -> None:
    head, features = some_head(), some_features()
    together = head(features, SIZES)
    for i in range(3):
        alone = head([level[i : i + 1] for level in features], SIZES[i : i + 1])
        assert together["count"][i] == alone["count"][0] > 0
        assert torch.equal(together["labels"][i], alone["labels"][0])
        for key in ("boxes", "scores"):
            torch.testing.assert_close(together[key][i], alone[key][0], rtol=1e-5, atol=1e-4)


def test_nothing_found_is_an_empty_row() -> None:
    head = some_head()
    torch.nn.init.constant_(head.logits.bias, -100.0)
    found = head(some_features(), SIZES)
    assert found["count"].tolist() == [0, 0, 0]
    assert not found["boxes"].any()
    assert [len(p["boxes"]) for p in head.predict(found, SIZES)] == [0, 0, 0]


def test_autocast_decodes_in_float32() -> None:
    head = some_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = head(some_features(), SIZES)
        outputs = training_outputs(head, some_features())
    assert outputs["logits"].dtype == torch.bfloat16
    assert (
        outputs["anchors"].dtype == found["boxes"].dtype == found["scores"].dtype == torch.float32
    )


def test_published_initial_state() -> None:
    head = RetinaNetHead(SPECS, num_classes=80)
    torch.testing.assert_close(head.logits.bias.sigmoid(), torch.full((720,), 0.01))
    assert head.deltas.weight.std().item() == pytest.approx(0.01, rel=0.05)
    names = {name.rpartition(".")[0] for name, _ in head.named_parameters()}
    towers = {f"{tower}.{i}" for tower in ("class_convs", "box_convs") for i in range(4)}
    assert names == towers | {"logits", "deltas"}


def test_class_rows_describe_the_last_layer() -> None:
    head = some_head()
    rows = head.class_rows()
    assert rows == dict.fromkeys(("logits.weight", "logits.bias"), ClassRows(9, 1, False))
    parameters = dict(head.named_parameters())
    assert all(len(parameters[name]) == 9 * 4 for name in rows)


def test_it_exports() -> None:
    head, features = some_head(), some_features()
    program = torch.export.export(head, (features, SIZES), strict=False)
    expected = head(features, SIZES)
    exported = program.module()(features, SIZES)
    for key, value in expected.items():
        torch.testing.assert_close(exported[key], value)
