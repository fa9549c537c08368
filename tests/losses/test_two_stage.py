"""The two-stage criterion, against plain sums over the samples that count."""

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from vision.errors import ConfigError
from vision.losses.two_stage import TwoStageLoss
from vision.ops.two_stage import AnchorSamples, BoxSamples, TwoStageOutputs

BATCH, PLACES, CLASSES = 2, 10, 3


def boxes() -> Tensor:
    corner = torch.rand(BATCH, PLACES, 2) * 20
    return torch.cat([corner, corner + torch.rand(BATCH, PLACES, 2) * 20 + 1], dim=-1)


def kinds(objects: bool) -> tuple[Tensor, Tensor]:
    positive = torch.zeros(BATCH, PLACES, dtype=torch.bool)
    positive[0, :3] = positive[1, :1] = objects
    valid = torch.ones(BATCH, PLACES, dtype=torch.bool)
    valid[1, 6:] = False
    return positive, valid


def make_outputs(*, stages: int = 1, masks: bool = True, objects: bool = True) -> TwoStageOutputs:
    torch.manual_seed(0)
    positive, valid = kinds(objects)
    anchors: AnchorSamples = {
        "logits": torch.randn(BATCH, PLACES, requires_grad=True),
        "deltas": torch.randn(BATCH, PLACES, 4, requires_grad=True),
        "target_deltas": torch.randn(BATCH, PLACES, 4),
        "positive": positive,
        "valid": valid,
    }
    drawn: list[BoxSamples] = []
    for i in range(stages):
        labels = torch.randint(0, CLASSES, (BATCH, PLACES)).masked_fill(~positive, CLASSES)
        drawn.append(
            {
                "logits": torch.randn(BATCH, PLACES, CLASSES + 1, requires_grad=True),
                "labels": labels,
                "deltas": torch.randn(BATCH, PLACES, 4, requires_grad=True),
                "target_deltas": torch.randn(BATCH, PLACES, 4),
                "boxes": boxes().requires_grad_(),
                "target_boxes": boxes(),
                "positive": positive,
                "valid": valid,
                "weight": 0.5**i,
            }
        )
        if masks:
            drawn[i]["masks"] = {
                "logits": torch.randn(4, 28, 28, requires_grad=True),
                "targets": (torch.rand(4, 28, 28) > 0.5).float(),
                "weight": torch.ones(4) if objects else torch.zeros(4),
            }
    return {"anchors": anchors, "stages": drawn}


def test_anchors_are_summed_and_divided_by_the_number_of_samples() -> None:
    outputs = make_outputs()
    samples = outputs["anchors"]
    classes = boxes_ = count = 0.0
    for i in range(BATCH):
        for s in range(PLACES):
            if samples["valid"][i, s]:
                count += 1
                wanted = samples["positive"][i, s].float()
                classes += F.binary_cross_entropy(samples["logits"][i, s].sigmoid(), wanted).item()
            if samples["positive"][i, s]:
                difference = samples["deltas"][i, s] - samples["target_deltas"][i, s]
                boxes_ += difference.abs().sum().item()
    assert count == 16
    terms = TwoStageLoss()(outputs)
    assert terms["loss_rpn_cls"].item() == pytest.approx(classes / count)
    assert terms["loss_rpn_box"].item() == pytest.approx(boxes_ / count)


def test_a_beta_makes_the_box_loss_of_anchors_smooth() -> None:
    outputs = make_outputs()
    samples = outputs["anchors"]
    difference = (samples["deltas"] - samples["target_deltas"])[samples["positive"]].abs()
    beta = 1 / 9
    smooth = torch.where(difference < beta, difference**2 / (2 * beta), difference - beta / 2)
    terms = TwoStageLoss(rpn_smooth_l1_beta=beta)(outputs)
    torch.testing.assert_close(terms["loss_rpn_box"], smooth.sum() / 16)


def test_stages_compare_classes_and_deltas() -> None:
    outputs = make_outputs()
    samples = outputs["stages"][0]
    valid, positive = samples["valid"], samples["positive"]
    terms = TwoStageLoss()(outputs)
    torch.testing.assert_close(
        terms["loss_cls"], F.cross_entropy(samples["logits"][valid], samples["labels"][valid])
    )
    difference = (samples["deltas"] - samples["target_deltas"])[positive]
    torch.testing.assert_close(terms["loss_box"], difference.abs().sum() / 16)
    masks = samples["masks"]
    torch.testing.assert_close(
        terms["loss_mask"],
        F.binary_cross_entropy(masks["logits"].sigmoid(), masks["targets"]),
    )


def test_giou_is_torchvisions() -> None:
    outputs = make_outputs()
    samples = outputs["stages"][0]
    positive = samples["positive"]
    expected = generalized_box_iou_loss(
        samples["boxes"][positive], samples["target_boxes"][positive], reduction="sum"
    )
    terms = TwoStageLoss(box_loss="giou", box_loss_weight=10.0)(outputs)
    torch.testing.assert_close(terms["loss_box"], 10 * expected / 16)


def test_stages_are_weighted_and_numbered() -> None:
    outputs = make_outputs(stages=3, masks=False)
    terms = TwoStageLoss()(outputs)
    names = [f"loss_{kind}_{i}" for i in (1, 2, 3) for kind in ("cls", "box")]
    assert list(terms) == ["loss_rpn_cls", "loss_rpn_box", *names]
    for i, stage in enumerate(outputs["stages"]):
        alone = TwoStageLoss()({**outputs, "stages": [{**stage, "weight": 1.0}]})
        for kind in ("cls", "box"):
            expected = alone[f"loss_{kind}"] * 0.5**i
            torch.testing.assert_close(terms[f"loss_{kind}_{i + 1}"], expected)


@pytest.mark.parametrize("box_loss", ["l1", "giou"])
@pytest.mark.parametrize("objects", [True, False])
def test_every_output_has_a_finite_gradient(box_loss: str, objects: bool) -> None:
    outputs = make_outputs(stages=2, objects=objects)
    if not objects:
        for stage in outputs["stages"]:  # places that are not filled
            stage["boxes"].data[1, 6:] = 0
            stage["target_boxes"][1, 6:] = 0
    terms = TwoStageLoss(box_loss=box_loss)(outputs)
    torch.stack(list(terms.values())).sum().backward()
    leaves = [outputs["anchors"]["logits"], outputs["anchors"]["deltas"]]
    for stage in outputs["stages"]:
        place = "boxes" if box_loss == "giou" else "deltas"
        leaves += [stage["logits"], stage[place], stage["masks"]["logits"]]
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
    if not objects:
        assert terms["loss_box_1"].item() == terms["loss_mask_2"].item() == 0
        assert terms["loss_rpn_box"].item() == 0


def test_half_precision_is_summed_in_float32() -> None:
    outputs = make_outputs()
    stage = outputs["stages"][0]
    stage["logits"] = stage["logits"].bfloat16()
    outputs["anchors"]["deltas"] = outputs["anchors"]["deltas"].bfloat16()
    assert {term.dtype for term in TwoStageLoss()(outputs).values()} == {torch.float32}


def test_options_out_of_range_are_refused() -> None:
    with refuses(ConfigError, "box_loss='l2'", "'l1'", "'giou'"):
        TwoStageLoss(box_loss="l2")
    with refuses(ConfigError, "rpn_smooth_l1_beta=-1", "0"):
        TwoStageLoss(rpn_smooth_l1_beta=-1)
