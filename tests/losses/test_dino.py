"""DINO's criterion; the authors' terms are in `test_parity_heads.py`."""

import logging
import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.losses.dino import DINOLoss
from vision.ops.denoising import DenoisingOptions, noised_queries
from vision.ops.share_boxes import boxes_to_shares

SIZES = torch.tensor([[40, 80], [64, 96]])
CLASSES, QUERIES = 3, 4
TERMS = ("loss_cls", "loss_box", "loss_giou")
MASK_TERMS = ("loss_mask", "loss_dice")


def batch(count: int = 2, *, crowd: bool = False) -> Any:
    """So many objects in the first image, and perhaps a crowd; none in the second."""
    boxes = torch.tensor([[0.0, 0, 40, 20], [40, 20, 80, 40], [0, 20, 40, 40]])
    keep = [*range(count), *([2] if crowd else [])]
    masks = torch.zeros(3, 64, 96, dtype=torch.bool)
    masks[0, :20, :40] = masks[1, 20:40, 40:80] = True
    first = {
        "boxes": boxes[keep],
        "labels": torch.tensor([2, 0, 1])[keep],
        "iscrowd": torch.tensor([False, False, True])[keep],
        "image_id": torch.tensor(17),
        "masks": masks[keep],
    }
    empty = {key: value[:0] for key, value in first.items() if key != "image_id"}
    return {"target": [first, {**empty, "image_id": torch.tensor(18)}], "size": SIZES}


def exact(data: Any) -> Tensor:
    return boxes_to_shares(data["target"][0]["boxes"][None], SIZES[:1])[0]


def knowing(data: Any) -> Any:
    """Queries of which the last know the objects of the first image, and the others nothing."""
    boxes = torch.full((2, QUERIES, 4), 0.3)
    logits = torch.full((2, QUERIES, CLASSES), -20.0)
    boxes[0, -2:] = exact(data)[:2]
    logits[0, [-2, -1], data["target"][0]["labels"][:2]] = 20
    return {"logits": logits, "boxes": boxes}


def outputs(*layers: Any, **more: Any) -> Any:
    return {"layers": list(layers), "selection": layers[0], "unused": torch.zeros(()), **more}


def leaves(*, masks: bool = False) -> Any:
    """Predictions that have gradients."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    made = {
        "logits": draw(2, QUERIES, CLASSES).requires_grad_(),
        "boxes": draw(2, QUERIES, 4).sigmoid().requires_grad_(),
    }
    return {**made, **({"mask_codes": draw(2, QUERIES, 5).requires_grad_()} if masks else {})}


def denoised(data: Any, queries: int = 4, *, masks: bool = False, exactly: bool = False) -> Any:
    """Noised objects, and predictions for them by two layers."""
    options = DenoisingOptions(queries=queries)
    noised = noised_queries(
        data["target"], SIZES, options, num_classes=CLASSES, num_queries=QUERIES
    )
    assert noised is not None
    count = noised.labels.shape[1]
    logits = torch.full((2, count, CLASSES), -20.0)
    boxes = torch.rand(2, count, 4)
    if exactly:
        labels = data["target"][0]["labels"][noised.place]
        logits[noised.image, noised.query, labels] = 20
        boxes[noised.image, noised.query] = exact(data)[noised.place]
    layer: Any = {"logits": logits.requires_grad_(), "boxes": boxes.requires_grad_()}
    if masks:
        layer["mask_codes"] = torch.randn(2, count, 5, requires_grad=True)
    return {"noised": noised, "denoising": [layer, layer]}


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def test_perfect_predictions_cost_nothing() -> None:
    data = batch()
    known = knowing(data)
    terms = DINOLoss()(outputs(known, known, known, **denoised(data, exactly=True)), data)
    suffixes = ("", "_0", "_1", "_selection", "_denoising", "_denoising_0")
    assert terms.keys() == {name + suffix for name in TERMS for suffix in suffixes}
    for name, term in terms.items():
        assert term.item() == pytest.approx(0, abs=1e-5), name


def test_weights_and_the_number_of_objects() -> None:
    data = batch()
    known = knowing(data)
    known["boxes"][0, -1, 0] += 0.02
    # Two objects; a shift of 0.02 of a width of 0.5 leaves 0.48 of 0.52.
    terms = DINOLoss()(outputs(known), data)
    assert terms["loss_box"].item() == pytest.approx(5 * 0.02 / 2, rel=1e-4)
    assert terms["loss_giou"].item() == pytest.approx(2 * (1 - 0.48 / 0.52) / 2, rel=1e-4)
    other = DINOLoss(box_weight=3.0, giou_weight=0.5)(outputs(known), data)
    assert other["loss_box"].item() == pytest.approx(3 * 0.02 / 2, rel=1e-4)
    assert other["loss_giou"].item() == pytest.approx(0.5 * (1 - 0.48 / 0.52) / 2, rel=1e-4)


def test_a_class_term_by_hand() -> None:
    """Of 8 x 3 sigmoids at a half, two are present: focal terms of 1/4 log 2, over two objects."""
    data = batch()
    known = knowing(data)
    known["logits"] = torch.zeros(2, QUERIES, CLASSES)
    terms = DINOLoss(class_weight=2.0)(outputs(known), data)
    expected = 2 * (2 * 0.25 + 22 * 0.75) * 0.25 * math.log(2) / 2
    assert terms["loss_cls"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("training", "divisor"), [(True, 6), (False, 2)])
def test_the_number_of_objects_is_a_mean_over_processes_in_training(
    monkeypatch: pytest.MonkeyPatch, training: bool, divisor: int
) -> None:
    monkeypatch.setattr("vision.losses.dino.mean_over_processes", lambda count: 3 * count)
    data = batch()
    known = knowing(data)
    known["boxes"][0, -1, 0] += 0.02
    terms = DINOLoss().train(training)(outputs(known), data)
    assert terms["loss_box"].item() == pytest.approx(5 * 0.02 / divisor, rel=1e-4)


@pytest.mark.parametrize("count", [2, 0])
def test_every_output_takes_part_without_objects(count: int) -> None:
    layers = [leaves(masks=True), leaves(masks=True)]
    features = torch.randn(2, 5, 16, 24, requires_grad=True)
    unused = torch.zeros((), requires_grad=True)
    data = batch(count)
    more = denoised(data, masks=True) if count else {}
    made = outputs(*layers, mask_features=features, **more) | {"unused": unused}
    terms = DINOLoss(points={"count": 40})(made, data)
    suffixes = ["", "_0", "_selection", *(["_denoising", "_denoising_0"] if count else [])]
    names = (*TERMS, *MASK_TERMS)
    assert terms.keys() == {name + suffix for name in names for suffix in suffixes}
    assert all(term.isfinite() for term in terms.values())
    total(terms).backward()
    for layer in [*layers, *more.get("denoising", [])]:
        for name, value in layer.items():
            assert value.grad is not None, name
            assert value.grad.any() == bool(count or name == "logits"), name
    assert unused.grad is not None
    assert features.grad.any() == bool(count)


def test_groups_of_noised_queries_count_as_often() -> None:
    """Each group has the same predictions: as many groups cost as much as one."""
    data = batch()
    few, many = denoised(data, queries=2), denoised(data, queries=6)
    layer = few["denoising"][0]
    more: Any = {key: value.repeat(1, 3, 1) for key, value in layer.items()}
    known = knowing(data)
    once = DINOLoss()(outputs(known, **few), data)
    found = DINOLoss()(outputs(known, noised=many["noised"], denoising=[more, more]), data)
    assert many["noised"].groups == 3
    for name, term in once.items():
        torch.testing.assert_close(found[name], term)


def test_masks_that_are_right_cost_little() -> None:
    data = batch()
    known = knowing(data)
    # A channel for each object, on a map of stride 4.
    shapes = data["target"][0]["masks"][:, ::4, ::4]
    features = torch.where(shapes, 20.0, -20.0).expand(2, -1, -1, -1)
    codes = torch.zeros(2, QUERIES, 2)
    codes[:, -2:] = torch.eye(2)
    # Boxes alone decide who stands for whom.
    criterion = DINOLoss(matching={"mask": 0.0, "dice": 0.0})
    right = criterion(outputs({**known, "mask_codes": codes}, mask_features=features), data)
    wrong_codes = {**known, "mask_codes": codes.flip(2)}
    wrong = criterion(outputs(wrong_codes, mask_features=features), data)
    swapped = DINOLoss()(outputs(wrong_codes, mask_features=features), data)
    assert 5 * right["loss_mask"] < wrong["loss_mask"]
    assert right["loss_dice"] < 0.5
    assert wrong["loss_dice"] > 4
    assert 5 * swapped["loss_mask"] < wrong["loss_mask"]
    assert swapped["loss_box"] > 1


def test_padding_changes_no_term() -> None:
    """The same random numbers give the same points of the valid image."""
    data = batch()
    layer = leaves(masks=True)
    features = torch.randn(2, 5, 16, 24)
    # Beyond the images all is zero, as a sampled map is beyond its border.
    features[0, :, 10:] = 0
    features[0, :, :, 20:] = 0
    padded = batch()
    for target in padded["target"]:
        target["masks"] = torch.nn.functional.pad(target["masks"], (0, 32, 0, 64))
    found = []
    for one, maps in ((data, features), (padded, torch.nn.functional.pad(features, (0, 8, 0, 16)))):
        torch.manual_seed(0)
        criterion = DINOLoss(points={"count": 50})
        found.append(criterion(outputs(layer, mask_features=maps), one))
    for name, term in found[0].items():
        torch.testing.assert_close(found[1][name], term, msg=name)


def test_half_precision_is_raised() -> None:
    data = batch()
    known: Any = {key: value.bfloat16() for key, value in knowing(data).items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = DINOLoss()(outputs(known), data)
    assert all(term.dtype == torch.float32 for term in terms.values())
    assert terms["loss_box"].item() == pytest.approx(0, abs=1e-5)


def test_what_is_not_a_number_is_in_the_loss() -> None:
    data = batch()
    known = knowing(data)
    known["logits"] = torch.full_like(known["logits"], torch.nan)
    assert total(DINOLoss()(outputs(known), data)).isnan()


def test_nothing_is_learnt_from_crowds() -> None:
    """A query in the crowd has no gradient, unless crowds are background; none is matched."""
    data = batch(crowd=True)
    known = knowing(data)
    known["boxes"][0, 0] = exact(data)[2]
    for crowd_iof, learnt in ((0.5, False), (None, True)):
        known["logits"] = torch.zeros(2, QUERIES, CLASSES, requires_grad=True)
        terms = DINOLoss(crowd_iof=crowd_iof)(outputs(known), data)
        (gradient,) = torch.autograd.grad(terms["loss_cls"], known["logits"])
        assert gradient[0, 0].any() == learnt
        assert gradient[0, 1:].all()
        assert (gradient[0, 0] >= 0).all()


def test_more_objects_than_queries(caplog: pytest.LogCaptureFixture) -> None:
    data = batch()
    known = {key: value[:, -1:] for key, value in knowing(data).items()}
    criterion = DINOLoss()
    with caplog.at_level(logging.WARNING):
        terms = criterion(outputs(known), data)
        criterion(outputs(known), data)
    assert all(term.isfinite() for term in terms.values())
    (record,) = caplog.records
    for part in ("id 17", "has 2 objects", "num_queries=1", "1 of them"):
        assert part in record.message


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"box_weight": -1.0}, ("box_weight=-1", "0 or more")),
        ({"alpha": 2.0}, ("alpha=2", "from 0 to 1")),
        ({"crowd_iof": -0.5}, ("crowd_iof=-0.5", "from 0 to 1")),
        ({"matching": {"clases": 2.0}}, ("matching.clases", "classes")),
        ({"points": {"count": 0}}, ("points.count=0", "from 1")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        DINOLoss(**options)
