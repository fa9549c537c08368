"""The criterion of point clouds, beside plain arithmetic in float64."""

import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from torch import Tensor

from vision.errors import ConfigError
from vision.losses.lovasz import LovaszOptions, lovasz_loss
from vision.losses.points import PointLoss, PointLossOptions

LABELS = torch.tensor([0, 2, 255, 1, 2, 255, 0])


def logits() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(len(LABELS), 3, generator=generator, dtype=torch.float64)


def criterion(**options: Any) -> PointLoss:
    return PointLoss(PointLossOptions(**options), num_classes=3)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5]])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_cross_entropy_is_the_mean_over_points_with_a_label(
    weights: list[float] | None, smoothing: float
) -> None:
    found = criterion(class_weights=weights, label_smoothing=smoothing)(logits(), LABELS)
    total, whole = 0.0, 0.0
    for row, label in zip(logits().tolist(), LABELS.tolist(), strict=True):
        if label == 255:
            continue
        by_class = weights or [1.0] * 3
        sums = math.log(sum(map(math.exp, row)))
        losses = [by_class[k] * (sums - value) for k, value in enumerate(row)]
        total += (1 - smoothing) * losses[label] + smoothing * sum(losses) / 3
        whole += by_class[label]
    assert found["cross_entropy"].item() == pytest.approx(total / whole, rel=1e-12)


def test_terms_are_weighted_and_the_overlaps_are_those_of_an_image_of_one_row() -> None:
    found = criterion(terms={"cross_entropy": 0.5, "lovasz": 2.0})(logits(), LABELS)
    alone = criterion()(logits(), LABELS)
    assert found["cross_entropy"].item() == pytest.approx(0.5 * alone["cross_entropy"].item())
    image = logits().T.reshape(1, 3, 1, -1)
    expected = lovasz_loss(image, LABELS[None, None], LovaszOptions())
    assert found["lovasz"].item() == pytest.approx(2 * expected.item(), rel=1e-12)


def test_without_labels_the_loss_is_0_and_reaches_the_logits() -> None:
    given = logits().requires_grad_()
    terms = criterion(terms={"cross_entropy": 1, "lovasz": 1})(given, torch.full_like(LABELS, 255))
    sum(terms.values()).backward()  # type: ignore[union-attr]
    assert [term.item() for term in terms.values()] == [0, 0]
    assert given.grad is not None
    assert not given.grad.any()


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"terms": {"dice": 1}}, ["'dice'", "cross_entropy, lovasz"]),
        ({"terms": {}}, ["terms is empty"]),
        ({"terms": {"lovasz": -1}}, ["terms.lovasz=-1"]),
        ({"label_smoothing": 1.0}, ["label_smoothing=1.0", "below 1"]),
        ({"class_weights": [1.0, 2.0]}, ["2 numbers", "3 classes"]),
        ({"class_weights": [1.0, -2.0, 1.0]}, ["class_weights"]),
    ],
)
def test_options_out_of_range(options: dict[str, Any], parts: list[str]) -> None:
    with refuses(ConfigError, *parts):
        criterion(**options)
