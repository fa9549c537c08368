"""The FCOS criterion against torchvision's losses, one location at a time."""

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

import vision.losses.fcos
from vision.contracts.features import FeatureSpec
from vision.heads.detection.fcos import FCOSHead
from vision.losses.fcos import FCOSLoss
from vision.ops.points import assign_points
from vision.ops.targets import pad_targets

SPECS = (FeatureSpec(8, 8), FeatureSpec(8, 16))
SIZES = torch.tensor([[64, 96], [30, 90], [64, 96]])


def target(boxes: list[list[float]], labels: list[int], crowd: list[bool] | None = None) -> dict:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "iscrowd": torch.tensor(crowd or [False] * len(labels), dtype=torch.bool),
    }


TARGETS = [
    target([[4, 6, 40, 50], [50, 10, 80, 44], [20, 0, 94, 60]], [1, 2, 0], [False, False, True]),
    target([[10, 2, 90, 30]], [3]),
    target([], []),
]


def some_head() -> FCOSHead:
    torch.manual_seed(0)
    head = FCOSHead(SPECS, num_classes=4, channels=8, num_groups=2, num_convs=1)
    for name, parameter in head.named_parameters():
        if name != "scales":
            torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.constant_(head.distances.bias, 2.0)
    return head


def outputs_of(head: FCOSHead) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(3, 8, 64 // s.stride, 96 // s.stride, generator=generator) for s in SPECS]
    return head(maps, SIZES, TARGETS)


def by_hand(outputs: dict[str, Tensor], crowd_iof: float | None) -> list[Tensor]:
    """Losses of torchvision in pixels; the assignment has its own test."""
    points, strides = outputs["points"], outputs["strides"]
    options = {"radius": 1.5, "limit": 8.0, "crowd_iof": crowd_iof}
    matches = assign_points(points, strides, pad_targets(TARGETS), **options)
    classes, boxes, central, count, weights = 0.0, 0.0, 0.0, 0, 0.0
    for i, one in enumerate(TARGETS):
        found = matches[i]
        positive = found >= 0
        labels = torch.full_like(found, 4)
        labels[positive] = one["labels"][found[positive]]
        onehot = F.one_hot(labels, 5)[:, :4].float()
        focal = torchvision.ops.sigmoid_focal_loss(outputs["logits"][i], onehot, 0.25, 2.0)
        classes = classes + focal[found != -2].sum()
        for p in positive.nonzero()[:, 0].tolist():
            (x, y), stride = points[p].tolist(), strides[p].item()
            x1, y1, x2, y2 = one["boxes"][found[p]].tolist()
            left, top, right, bottom = x - x1, y - y1, x2 - x, y2 - y
            horizontal = min(left, right) / max(left, right)
            centerness = (horizontal * min(top, bottom) / max(top, bottom)) ** 0.5
            sides = outputs["distances"][i, p] * stride
            box = torch.stack([x - sides[0], y - sides[1], x + sides[2], y + sides[3]])
            giou = torchvision.ops.generalized_box_iou_loss(box, one["boxes"][found[p]])
            boxes = boxes + centerness * giou
            central = central + F.binary_cross_entropy_with_logits(
                outputs["centerness"][i, p], torch.tensor(centerness)
            )
            weights += centerness
            count += 1
    assert count > 10
    return [classes / count, boxes / weights, central / count]


@pytest.mark.parametrize("crowd_iof", [None, 0.7])
def test_equals_torchvision_one_location_at_a_time(crowd_iof: float | None) -> None:
    outputs = outputs_of(some_head())
    terms = FCOSLoss(crowd_iof=crowd_iof)(outputs, {"target": TARGETS, "size": SIZES})
    assert list(terms) == ["loss_cls", "loss_box", "loss_centerness"]
    for term, expected in zip(terms.values(), by_hand(outputs, crowd_iof), strict=True):
        torch.testing.assert_close(term, expected, rtol=1e-4, atol=1e-6)


def test_crowds_change_the_classes_alone() -> None:
    outputs, batch = outputs_of(some_head()), {"target": TARGETS, "size": SIZES}
    plain, ignoring = (FCOSLoss(crowd_iof=iof)(outputs, batch) for iof in (None, 0.7))
    assert plain["loss_cls"] > ignoring["loss_cls"]
    assert plain["loss_box"] == ignoring["loss_box"]
    assert plain["loss_centerness"] == ignoring["loss_centerness"]


def test_more_locations_are_positive_without_centre_sampling() -> None:
    outputs, batch = outputs_of(some_head()), {"target": TARGETS, "size": SIZES}
    # Centerness falls from the centre: far locations are harder for a constant prediction.
    outputs["centerness"] = torch.full_like(outputs["centerness"], 5.0)
    near, anywhere = (FCOSLoss(center_sampling_radius=r)(outputs, batch) for r in (1.5, None))
    assert anywhere["loss_centerness"] > near["loss_centerness"]


@pytest.mark.parametrize("empty", [False, True])
def test_every_parameter_takes_part(empty: bool) -> None:
    head = some_head()
    targets = [target([], [])] * 3 if empty else TARGETS
    terms = FCOSLoss()(outputs_of(head), {"target": targets, "size": SIZES})
    sum(terms.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in head.parameters())
    for name in ("loss_box", "loss_centerness"):
        assert empty == (not terms[name].item())
    assert empty == (not head.scales.grad.any())


def test_empty_predicted_boxes_have_finite_gradients() -> None:
    outputs = outputs_of(some_head())
    distances = torch.zeros_like(outputs["distances"]).requires_grad_()
    terms = FCOSLoss()({**outputs, "distances": distances}, {"target": TARGETS, "size": SIZES})
    terms["loss_box"].backward()
    assert distances.grad.isfinite().all()


def test_bfloat16_autocast_gives_float32_terms() -> None:
    head = some_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = FCOSLoss()(outputs_of(head), {"target": TARGETS, "size": SIZES})
    assert {term.dtype for term in terms.values()} == {torch.float32}
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())
    exact = FCOSLoss()(outputs_of(head), {"target": TARGETS, "size": SIZES})
    for name, term in terms.items():
        torch.testing.assert_close(term, exact[name], rtol=0.05, atol=0.0)


def test_processes_share_the_divisors(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = outputs_of(some_head())
    whole = FCOSLoss()(outputs, {"target": TARGETS, "size": SIZES})
    asked: list[Tensor] = []

    def ask(values: Tensor) -> Tensor:
        asked.append(values)
        return values

    for answer in (ask, lambda _: torch.stack(asked).mean(dim=0)):
        monkeypatch.setattr(vision.losses.fcos, "mean_over_processes", answer)
        terms = []
        for part in (slice(0, 1), slice(1, 3)):
            some = {key: outputs[key][part] for key in ("logits", "distances", "centerness")}
            batch = {"target": TARGETS[part], "size": SIZES[part]}
            terms.append(FCOSLoss()({**outputs, **some}, batch))
    for name, term in whole.items():
        torch.testing.assert_close((terms[0][name] + terms[1][name]) / 2, term)


def test_evaluation_waits_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision.losses.fcos, "mean_over_processes", None)
    FCOSLoss().eval()(outputs_of(some_head()), {"target": TARGETS, "size": SIZES})


def test_the_weight_of_the_boxes() -> None:
    outputs, batch = outputs_of(some_head()), {"target": TARGETS, "size": SIZES}
    one, three = (FCOSLoss(box_loss_weight=w)(outputs, batch) for w in (1.0, 3.0))
    torch.testing.assert_close(three["loss_box"], 3 * one["loss_box"])
    assert three["loss_cls"] == one["loss_cls"]


def test_one_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    head = FCOSHead(SPECS, num_classes=4, channels=16, num_groups=4, num_convs=1)
    maps = [torch.randn(1, 8, 64 // s.stride, 96 // s.stride) for s in SPECS]
    one = [target([[4, 6, 40, 50], [50, 10, 80, 44]], [1, 2])]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(80):
        terms = FCOSLoss()(head(maps, SIZES[:1], one), {"target": one, "size": SIZES[:1]})
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    found = head.eval()(maps, SIZES[:1])
    iou = torchvision.ops.box_iou(found["boxes"][0, :2], one[0]["boxes"])
    best, place = iou.max(dim=1)
    assert best.min() > 0.8
    assert sorted(place.tolist()) == [0, 1]
    assert found["labels"][0, :2].tolist() == one[0]["labels"][place].tolist()
    assert found["scores"][0, :2].min() > 0.4
