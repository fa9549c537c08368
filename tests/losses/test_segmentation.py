"""The criterion of segmentation against mmsegmentation's losses, values and gradients."""

import types
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F

from vision.contracts.segmentation import IGNORED
from vision.errors import ConfigError
from vision.losses.segmentation import TERMS, SegmentationLoss
from vision.mmcv.operators import import_models

CLASSES = 5
EVERY = dict.fromkeys(TERMS, 1.0)


@pytest.fixture(scope="module")
def losses() -> types.ModuleType:
    """mmsegmentation's losses."""
    pytest.importorskip("mmseg", reason="mmsegmentation is not installed")
    return import_models("mmseg").losses


def some(
    dtype: torch.dtype = torch.float64, *, ignored: bool = True
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Outputs with auxiliary logits, and a batch."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, CLASSES, 6, 7, generator=generator, dtype=torch.float64)
    auxiliary = torch.randn(2, CLASSES, 3, 4, generator=generator, dtype=torch.float64)
    mask = torch.randint(0, CLASSES, (2, 23, 25), generator=generator)
    if ignored:
        mask[torch.rand(2, 23, 25, generator=generator) < 0.2] = IGNORED
    outputs = {"logits": logits, "auxiliary": auxiliary}
    return {k: v.to(dtype).requires_grad_() for k, v in outputs.items()}, {"mask": mask}


def enlarged(logits: Tensor, mask: Tensor, align_corners: bool = False) -> Tensor:
    return F.interpolate(logits, mask.shape[1:], mode="bilinear", align_corners=align_corners)


def assert_same(ours: Tensor, theirs: Tensor, logits: Tensor, *, loose: bool = False) -> None:
    """Values and gradients agree; mmsegmentation adds 1e-7 to what it divides by."""
    tight = logits.dtype == torch.float64 and not loose
    tolerance = {"rtol": 1e-8, "atol": 1e-12} if tight else {"rtol": 1e-6, "atol": 1e-7}
    torch.testing.assert_close(ours, theirs, **tolerance)
    grads = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*grads, **tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("mean_over", ["all", "valid"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_cross_entropy_equals_mmsegmentation(
    losses: types.ModuleType, dtype: torch.dtype, mean_over: Any, align_corners: bool
) -> None:
    outputs, batch = some(dtype)
    criterion = SegmentationLoss(mean_over=mean_over, align_corners=align_corners)
    ours = criterion(outputs, batch)
    theirs = losses.CrossEntropyLoss(avg_non_ignore=mean_over == "valid")
    for name, weight in (("logits", 1.0), ("auxiliary", 0.4)):
        logits = outputs[name]
        whole = enlarged(logits, batch["mask"], align_corners)
        expected = weight * theirs(whole, batch["mask"], ignore_index=IGNORED)
        term = "cross_entropy" if name == "logits" else "auxiliary_cross_entropy"
        assert_same(ours[term], expected, logits)


def test_class_weights_equal_mmsegmentation(losses: types.ModuleType) -> None:
    weights = [0.5, 2.0, 0.0, 1.0, 3.0]
    outputs, batch = some(ignored=False)
    logits, mask = outputs["logits"], batch["mask"]
    ours = SegmentationLoss(class_weights=weights)(outputs, batch)["cross_entropy"]
    theirs = losses.CrossEntropyLoss(class_weight=weights)
    assert_same(ours, theirs(enlarged(logits, mask), mask, ignore_index=IGNORED), logits)


@pytest.mark.parametrize("mean_over", ["all", "valid"])
def test_class_weights_with_ignored_pixels(losses: types.ModuleType, mean_over: Any) -> None:
    # mmsegmentation looks up the weight of ignored pixels too: it needs one.
    weights = [0.5, 2.0, 0.0, 3.0]
    outputs, _ = some()
    logits = outputs["logits"][:, :4].detach().requires_grad_()
    mask = some(ignored=False)[1]["mask"]  # class 4 is the ignored one
    whole = F.pad(enlarged(logits, mask), (0, 0, 0, 0, 0, 1), value=-1e9)
    theirs = losses.CrossEntropyLoss(
        class_weight=[*weights, 1.0], avg_non_ignore=mean_over == "valid"
    )
    expected = theirs(whole, mask, ignore_index=4)
    criterion = SegmentationLoss(class_weights=weights, mean_over=mean_over)
    ours = criterion({"logits": logits}, {"mask": mask.masked_fill(mask == 4, IGNORED)})
    assert_same(ours["cross_entropy"], expected, logits)


@pytest.mark.parametrize("threshold", [None, 0.3, 0.7])
@pytest.mark.parametrize("min_kept", [2, 150, 5000])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_hard_pixels_equal_mmsegmentation(
    losses: types.ModuleType, threshold: float | None, min_kept: int, dtype: torch.dtype
) -> None:
    from mmseg.structures import OHEMPixelSampler

    outputs, batch = some(dtype)
    logits, mask = outputs["logits"], batch["mask"]
    theirs = losses.CrossEntropyLoss()
    context = types.SimpleNamespace(ignore_index=IGNORED, loss_decode=theirs)
    sampler = OHEMPixelSampler(context, thresh=threshold, min_kept=min_kept)
    whole = enlarged(logits, mask)
    weight = sampler.sample(whole, mask[:, None])
    expected = theirs(whole, mask, weight=weight, ignore_index=IGNORED)
    criterion = SegmentationLoss(ohem={"threshold": threshold, "min_kept": min_kept})
    assert_same(criterion(outputs, batch)["cross_entropy"], expected, logits)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("ignored", [False, True])
def test_dice_equals_mmsegmentation(
    losses: types.ModuleType, dtype: torch.dtype, ignored: bool
) -> None:
    outputs, batch = some(dtype, ignored=ignored)
    logits, mask = outputs["logits"], batch["mask"]
    criterion = SegmentationLoss(terms={"dice": 3.0}, dice={"count_ignored": ignored})
    expected = losses.DiceLoss(use_sigmoid=False, loss_weight=3.0)(enlarged(logits, mask), mask)
    # Theirs computes in float32 in any case.
    assert_same(criterion(outputs, batch)["dice"], expected, logits, loose=True)


@pytest.mark.parametrize("per_image", [False, True])
def test_lovasz_equals_mmsegmentation(losses: types.ModuleType, per_image: bool) -> None:
    outputs, batch = some(torch.float32)  # theirs takes no other
    logits, mask = outputs["logits"], batch["mask"]
    mask[mask == 2] = IGNORED  # a class that is absent
    mask[0][mask[0] == 1] = 0  # and one from one image
    criterion = SegmentationLoss(terms={"lovasz": 1}, lovasz={"per_image": per_image})
    theirs = losses.LovaszLoss(per_image=per_image, reduction="mean" if per_image else "none")
    expected = theirs(enlarged(logits, mask), mask, ignore_index=IGNORED)
    assert_same(criterion(outputs, batch)["lovasz"], expected, logits)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_focal_equals_mmsegmentation(losses: types.ModuleType, dtype: torch.dtype) -> None:
    from mmseg.models.losses.focal_loss import py_sigmoid_focal_loss

    outputs, batch = some(dtype)
    logits, mask = outputs["logits"], batch["mask"]
    ours = SegmentationLoss(terms={"focal": 1.0})(outputs, batch)["focal"]
    rows = enlarged(logits, mask).permute(0, 2, 3, 1).reshape(-1, CLASSES)
    valid = (mask != IGNORED).flatten()
    # On a CPU their module takes the wrong column of its one-hot labels: the function is right.
    target = F.one_hot(mask.flatten().where(valid, 0), CLASSES)
    expected = py_sigmoid_focal_loss(rows, target, valid_mask=valid[:, None])
    assert_same(ours, expected, logits)
    criterion = SegmentationLoss(
        terms={"focal": 1.0}, focal={"alpha": 0.25, "gamma": 1.0}, mean_over="valid"
    )
    expected = py_sigmoid_focal_loss(rows, target, gamma=1.0, alpha=0.25, valid_mask=valid[:, None])
    share = valid.double().mean().to(dtype)
    assert_same(criterion(outputs, batch)["focal"], expected / share, logits)


def test_terms_are_weighted_and_named() -> None:
    outputs, batch = some()
    single = SegmentationLoss(terms=EVERY)(outputs, batch)
    assert list(single) == [*TERMS, *(f"auxiliary_{name}" for name in TERMS)]
    double = SegmentationLoss(terms=dict.fromkeys(TERMS, 2.0), auxiliary_weight=0.2)(outputs, batch)
    for name in TERMS:
        torch.testing.assert_close(double[name], 2 * single[name])
        torch.testing.assert_close(double[f"auxiliary_{name}"], single[f"auxiliary_{name}"])
    del outputs["auxiliary"]
    assert list(SegmentationLoss()(outputs, batch)) == ["cross_entropy"]


@pytest.mark.parametrize("mean_over", ["all", "valid"])
@pytest.mark.parametrize("threshold", [None, 0.7])
@pytest.mark.parametrize("class_weights", [None, [0.0] * CLASSES])
def test_a_batch_without_labels_is_finite_and_teaches_nothing(
    mean_over: Any, threshold: float | None, class_weights: list[float] | None
) -> None:
    outputs, batch = some(torch.float32)
    batch["mask"].fill_(IGNORED)
    criterion = SegmentationLoss(
        terms=EVERY,
        mean_over=mean_over,
        ohem={"threshold": threshold},
        class_weights=class_weights,
        lovasz={"per_image": mean_over == "all"},
    )
    losses = criterion(outputs, batch)
    assert all(loss == 0 for loss in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert all((logits.grad == 0).all() for logits in outputs.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_float32(dtype: torch.dtype) -> None:
    outputs, batch = some(dtype)
    criterion = SegmentationLoss(terms=EVERY, ohem={"threshold": 0.7})
    with torch.autocast("cpu", torch.bfloat16):
        losses = criterion(outputs, batch)
    whole = {name: logits.detach().float() for name, logits in outputs.items()}
    for name, expected in criterion(whole, batch).items():
        assert losses[name].dtype == torch.float32
        torch.testing.assert_close(losses[name], expected)


def test_class_weights_are_no_part_of_a_checkpoint() -> None:
    assert not SegmentationLoss(class_weights=[1.0, 2.0]).state_dict()


def test_a_label_that_is_no_class_is_named() -> None:
    outputs, batch = some()
    batch["mask"][1, 3, 4] = 7
    with refuses(ConfigError, "7", "(1 pixels)", "5 classes", "num_classes"):
        SegmentationLoss()(outputs, batch)


def test_class_weights_of_another_number_are_named() -> None:
    outputs, batch = some()
    with refuses(ConfigError, "class_weights", "2 numbers", "5 classes"):
        SegmentationLoss(class_weights=[1.0, 2.0])(outputs, batch)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"terms": {"crossentropy": 1.0}}, ("'crossentropy'", "'cross_entropy'")),
        ({"terms": {}}, ("terms", "empty")),
        ({"terms": {"dice": -1.0}}, ("terms.dice=-1.0",)),
        ({"mean_over": "pixels"}, ("mean_over='pixels'",)),
        ({"auxiliary_weight": -0.1}, ("auxiliary_weight=-0.1",)),
        ({"class_weights": [1.0, float("nan")]}, ("class_weights=[1.0, nan]",)),
        ({"ohem": {"thresh": 0.7}}, ("ohem.thresh", "'threshold'")),
        ({"ohem": {"threshold": 0.0}}, ("ohem.threshold=0.0",)),
        ({"dice": {"smooth": -1.0}}, ("dice.smooth=-1.0",)),
        ({"focal": {"alpha": 2.0}}, ("focal.alpha=2.0",)),
        ({"focal": {"gamma": -1.0}}, ("focal.gamma=-1.0",)),
        ({"lovasz": {"per_images": True}}, ("option", "lovasz.per_images")),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], message: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *message):
        SegmentationLoss(**options)
