"""The RetinaNet criterion against torchvision's losses, one image at a time."""

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F
from torchvision.models.detection._utils import BoxCoder

import vision.losses.retinanet
from vision.contracts.features import FeatureSpec
from vision.heads.detection.retinanet import RetinaNetHead
from vision.losses.retinanet import RetinaNetLoss

SPECS = (FeatureSpec(8, 8), FeatureSpec(8, 16))
# The canvas is 64 x 96; the first image fills it, the second ends in the first 32 rows.
SIZES = torch.tensor([[64, 96], [30, 90], [64, 96]])


def target(boxes: list[list[float]], labels: list[int], crowd: list[bool] | None = None) -> dict:
    return {
        "boxes": torch.tensor(boxes).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "iscrowd": torch.tensor(crowd or [False] * len(labels), dtype=torch.bool),
    }


TARGETS = [
    target([[4, 6, 40, 50], [50, 10, 80, 44], [20, 0, 94, 60]], [1, 2, 0], [False, False, True]),
    target([[10, 2, 44, 30]], [3]),
    target([], []),
]


def some_head() -> RetinaNetHead:
    torch.manual_seed(0)
    head = RetinaNetHead(SPECS, num_classes=4, channels=8, num_convs=1, octave_scale=2)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return head


def outputs_of(head: RetinaNetHead) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(3, 8, 64 // s.stride, 96 // s.stride, generator=generator) for s in SPECS]
    return head(maps, SIZES, TARGETS)


def match(anchors: Tensor, boxes: Tensor) -> Tensor:
    """The object of each anchor, -1 for background, -2 for neither."""
    if len(boxes) == 0:
        return torch.full((len(anchors),), -1)
    iou = torchvision.ops.box_iou(anchors, boxes)
    best, found = iou.max(dim=1)
    found[best < 0.5] = -2
    found[best < 0.4] = -1
    for j in range(len(boxes)):
        found[iou[:, j] == iou[:, j].max()] = j
    return found


def by_hand(outputs: dict[str, Tensor], *, crowd: bool = False) -> tuple[Tensor, Tensor]:
    anchors, classes, boxes, positives = outputs["anchors"], 0.0, 0.0, 0
    corner = (anchors[:, :2] + anchors[:, 2:]) / 2  # of the cells
    for i, one in enumerate(TARGETS):
        real = ~one["iscrowd"]
        found = match(anchors, one["boxes"][real])
        if crowd and one["iscrowd"].any():
            (region,) = one["boxes"][one["iscrowd"]]
            low, high = anchors[:, :2].maximum(region[:2]), anchors[:, 2:].minimum(region[2:])
            share = (high - low).clamp(0).prod(1) / torchvision.ops.box_area(anchors)
            found[(found == -1) & (share >= 0.7)] = -2
        height, width = [-(-side // 32) * 32 for side in SIZES[i].tolist()]
        found[(corner[:, 0] > width - 4) | (corner[:, 1] > height - 4)] = -2
        counts, positive = found != -2, found >= 0
        labels = torch.full_like(found, 4)
        labels[positive] = one["labels"][real][found[positive]]
        onehot = F.one_hot(labels, 5)[:, :4].float()
        focal = torchvision.ops.sigmoid_focal_loss(outputs["logits"][i], onehot, 0.25, 2.0)
        classes = classes + focal[counts].sum()
        wanted = BoxCoder((1.0,) * 4).encode_single(
            one["boxes"][real][found[positive]], anchors[positive]
        )
        boxes = boxes + F.l1_loss(outputs["deltas"][i][positive], wanted, reduction="sum")
        positives += max(int(positive.sum()), 1)
    return classes / positives, boxes / positives


@pytest.mark.parametrize("crowd", [False, True])
def test_equals_torchvision_one_image_at_a_time(crowd: bool) -> None:
    outputs = outputs_of(some_head())
    criterion = RetinaNetLoss(crowd_iof=0.7 if crowd else None)
    terms = criterion(outputs, {"target": TARGETS, "size": SIZES})
    loss_cls, loss_box = by_hand(outputs, crowd=crowd)
    assert list(terms) == ["loss_cls", "loss_box"]
    torch.testing.assert_close(terms["loss_cls"], loss_cls)
    torch.testing.assert_close(terms["loss_box"], loss_box)


def test_crowds_change_the_classes_alone() -> None:
    outputs, batch = outputs_of(some_head()), {"target": TARGETS, "size": SIZES}
    plain, ignoring = (RetinaNetLoss(crowd_iof=iof)(outputs, batch) for iof in (None, 0.7))
    assert plain["loss_cls"] > ignoring["loss_cls"]
    assert plain["loss_box"] == ignoring["loss_box"]


@pytest.mark.parametrize("empty", [False, True])
def test_every_parameter_takes_part(empty: bool) -> None:
    head = some_head()
    targets = [target([], [])] * 3 if empty else TARGETS
    terms = RetinaNetLoss()(outputs_of(head), {"target": targets, "size": SIZES})
    sum(terms.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []
    assert all(p.grad.isfinite().all() for p in head.parameters())
    assert empty == (not terms["loss_box"].item())
    assert empty == (not head.deltas.weight.grad.any())


def test_bfloat16_autocast_gives_float32_terms() -> None:
    head = some_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = outputs_of(head)
        terms = RetinaNetLoss()(outputs, {"target": TARGETS, "size": SIZES})
    assert {term.dtype for term in terms.values()} == {torch.float32}
    sum(terms.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())
    exact = RetinaNetLoss()(outputs_of(head), {"target": TARGETS, "size": SIZES})
    for name, term in terms.items():
        torch.testing.assert_close(term, exact[name], rtol=0.05, atol=0.0)


def test_processes_share_the_divisor(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = outputs_of(some_head())
    whole = RetinaNetLoss()(outputs, {"target": TARGETS, "size": SIZES})
    asked: list[Tensor] = []

    def ask(values: Tensor) -> Tensor:
        asked.append(values)
        return values

    for answer in (ask, lambda _: torch.stack(asked).mean(dim=0)):
        monkeypatch.setattr(vision.losses.retinanet, "mean_over_processes", answer)
        terms = []
        for part in (slice(0, 1), slice(1, 3)):
            some = {key: outputs[key][part] for key in ("logits", "deltas")}
            batch = {"target": TARGETS[part], "size": SIZES[part]}
            terms.append(RetinaNetLoss()({**outputs, **some}, batch))
    for name, term in whole.items():
        torch.testing.assert_close((terms[0][name] + terms[1][name]) / 2, term)


def test_evaluation_waits_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision.losses.retinanet, "mean_over_processes", None)
    RetinaNetLoss().eval()(outputs_of(some_head()), {"target": TARGETS, "size": SIZES})


def test_the_weight_of_the_boxes() -> None:
    outputs, batch = outputs_of(some_head()), {"target": TARGETS, "size": SIZES}
    one, three = (RetinaNetLoss(box_loss_weight=w)(outputs, batch) for w in (1.0, 3.0))
    torch.testing.assert_close(three["loss_box"], 3 * one["loss_box"])
    assert three["loss_cls"] == one["loss_cls"]


def test_one_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    head = RetinaNetHead(SPECS, num_classes=4, channels=16, num_convs=1, octave_scale=2)
    maps = [torch.randn(1, 8, 64 // s.stride, 96 // s.stride) for s in SPECS]
    one = [target([[4, 6, 40, 50], [50, 10, 80, 44]], [1, 2])]
    optimizer = torch.optim.Adam(head.parameters(), lr=0.01)
    for _ in range(80):
        terms = RetinaNetLoss()(head(maps, SIZES[:1], one), {"target": one, "size": SIZES[:1]})
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    found = head.eval()(maps, SIZES[:1])
    iou = torchvision.ops.box_iou(found["boxes"][0, :2], one[0]["boxes"])
    best, place = iou.max(dim=1)
    assert best.min() > 0.8
    assert sorted(place.tolist()) == [0, 1]
    assert found["labels"][0, :2].tolist() == one[0]["labels"][place].tolist()
    assert found["scores"][0, :2].min() > 0.5
