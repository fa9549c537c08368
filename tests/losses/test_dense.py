"""The criteria of depth and of normals, against loops over pixels and finite differences."""

import math
from typing import Any

import pytest
import torch
from helpers.random_values import random_values
from helpers.refusals import refuses
from torch import Tensor
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.losses.dense import DepthLoss, NormalsLoss

SIZE = (3, 4)
ALL_DEPTH = {"scale_invariant": 1.0, "relative": 1.0, "silog": 1.0, "l1": 1.0}
ALL_NORMALS = {"cosine": 1.0, "l1": 1.0, "l2": 1.0}


def depths(*, empty: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """Predictions and targets of three images in float64, some pixels without a reading."""
    predicted = random_values("depth", 3, SIZE, seed=1).double()[:, None]
    target = random_values("depth", 3, SIZE, seed=2).double()
    target[target < 3] = 0
    target[list(empty)] = 0
    return predicted, target


def normals(*, empty: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    predicted = F.normalize(random_values("normals", 3, SIZE, seed=1).double(), dim=1)
    target = F.normalize(random_values("normals", 3, SIZE, seed=2).double(), dim=1)
    target[:, :, 1] = 0
    target[list(empty)] = 0
    return predicted, target


def depth_terms(values: Tensor, target: Tensor, **options: Any) -> dict[str, Tensor]:
    loss = DepthLoss(**{"terms": ALL_DEPTH, **options})
    return loss({"values": values}, {"depth": target})  # type: ignore[typeddict-item]


def normals_terms(values: Tensor, target: Tensor, **options: Any) -> dict[str, Tensor]:
    loss = NormalsLoss(**{"terms": ALL_NORMALS, **options})
    return loss({"values": values}, {"normals": target})  # type: ignore[typeddict-item]


def test_depth_equals_the_formulas() -> None:
    predicted, target = depths()
    sums = dict.fromkeys(ALL_DEPTH, 0.0)
    for image, truth in zip(predicted[:, 0], target, strict=True):
        pairs = [
            (d, g)
            for d, g in zip(image.flatten().tolist(), truth.flatten().tolist(), strict=True)
            if g > 0
        ]
        count = len(pairs)
        logs = [math.log(g) - math.log(d) for d, g in pairs]
        squares, mean = sum(e * e for e in logs) / count, sum(logs) / count
        sums["scale_invariant"] += squares - mean**2
        sums["relative"] += math.sqrt(sum(((g - d) / g) ** 2 for d, g in pairs) / count)
        sums["silog"] += 10 * math.sqrt(squares - 0.85 * mean**2)
        sums["l1"] += sum(abs(d - g) for d, g in pairs) / count
    found = depth_terms(predicted, target)
    assert {name: value.item() for name, value in found.items()} == pytest.approx(
        {name: value / 3 for name, value in sums.items()}, rel=1e-12
    )


def test_normals_equal_the_formulas() -> None:
    predicted, target = normals()
    sums = dict.fromkeys(ALL_NORMALS, 0.0)
    pixels = [(y, x) for y in range(SIZE[0]) for x in range(SIZE[1]) if y != 1]
    for b in range(3):
        for y, x in pixels:
            found, truth = predicted[b, :, y, x].tolist(), target[b, :, y, x].tolist()
            gaps = [n - g for n, g in zip(found, truth, strict=True)]
            sums["cosine"] += 1 - sum(n * g for n, g in zip(found, truth, strict=True))
            sums["l1"] += sum(abs(gap) for gap in gaps)
            sums["l2"] += math.sqrt(sum(gap**2 for gap in gaps))
    # The length of a prediction does not matter.
    terms = normals_terms(3 * predicted, target)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {name: value / (3 * len(pixels)) for name, value in sums.items()}, rel=1e-12
    )


@pytest.mark.parametrize("name", ALL_DEPTH)
def test_gradients_of_depth(name: str) -> None:
    predicted, target = depths(empty=(1,))
    assert torch.autograd.gradcheck(
        lambda x: depth_terms(x, target, terms={name: 1.0})[name], predicted.requires_grad_()
    )


@pytest.mark.parametrize("name", ALL_NORMALS)
def test_gradients_of_normals(name: str) -> None:
    predicted, target = normals(empty=(1,))
    assert torch.autograd.gradcheck(
        lambda x: normals_terms(x, target, terms={name: 1.0})[name], predicted.requires_grad_()
    )


@pytest.mark.parametrize(("make", "terms"), [(depths, depth_terms), (normals, normals_terms)])
def test_an_image_without_valid_pixels_adds_nothing(make: Any, terms: Any) -> None:
    predicted, target = make(empty=(1,))
    others = terms(predicted[[0, 2]], target[[0, 2]])
    for name, value in terms(predicted.requires_grad_(), target).items():
        torch.testing.assert_close(value, others[name])
        (gradient,) = torch.autograd.grad(value, predicted, retain_graph=True)
        assert not gradient[1].any()
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("make", "terms"), [(depths, depth_terms), (normals, normals_terms)])
def test_a_batch_without_valid_pixels_has_no_loss(make: Any, terms: Any) -> None:
    predicted, target = make(empty=(0, 1, 2))
    for value in terms(predicted.requires_grad_(), target).values():
        assert value.item() == 0
        (gradient,) = torch.autograd.grad(value, predicted, retain_graph=True)
        assert torch.equal(gradient, torch.zeros_like(predicted))


@pytest.mark.parametrize(("make", "terms"), [(depths, depth_terms), (normals, normals_terms)])
def test_predictions_that_are_right_have_a_finite_gradient(make: Any, terms: Any) -> None:
    _, target = make()
    values = target if target.ndim == 4 else target[:, None].clamp(min=1e-3)
    for value in terms(values.clone().requires_grad_(), target).values():
        assert value.item() == pytest.approx(0, abs=1e-12)
    leaf = values.clone().requires_grad_()
    torch.stack([*terms(leaf, target).values()]).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def test_invalid_predictions_of_invalid_pixels_do_no_harm() -> None:
    predicted, target = depths()
    damaged = predicted.masked_fill(target[:, None] == 0, math.nan).requires_grad_()
    damaged_terms = depth_terms(damaged, target)
    for name, value in depth_terms(predicted, target).items():
        torch.testing.assert_close(damaged_terms[name], value)
    torch.stack([*damaged_terms.values()]).sum().backward()
    assert damaged.grad is not None
    assert damaged.grad.isfinite().all()


def test_scales() -> None:
    """What scaling the prediction, or both, changes."""
    predicted, target = depths()
    limits = {"min_depth": 1e-9, "max_depth": 1e9, "variance_focus": 1.0}
    before = depth_terms(predicted, target, **limits)
    both = depth_terms(7 * predicted, 7 * target, **limits)
    for name in ("scale_invariant", "relative", "silog"):
        torch.testing.assert_close(both[name], before[name])
    torch.testing.assert_close(both["l1"], 7 * before["l1"])
    one = depth_terms(7 * predicted, target, **limits)
    for name in ("scale_invariant", "silog"):
        torch.testing.assert_close(one[name], before[name])
    assert one["relative"] > 2 * before["relative"]


def test_depths_beyond_the_limits_do_not_count() -> None:
    predicted, target = depths()
    far = target.clone()
    far[target > 6] = 50.0
    near = target.masked_fill(target > 6, 0)
    expected = depth_terms(predicted, near)
    for name, value in depth_terms(predicted, far).items():
        torch.testing.assert_close(value, expected[name])


@pytest.mark.parametrize("width", [7, 8])
def test_small_maps_and_those_of_layers_are_enlarged(width: int) -> None:
    """As in kMaX-DeepLab: the corners of odd maps lie on those of the image."""
    target = random_values("depth", 2, (13, 2 * width - 1)).double()
    values = random_values("depth", 2, (7, width), seed=3).double()[:, None]
    loss = DepthLoss(terms={"l1": 2.0}, layer_weight=0.5)
    found = loss({"values": values, "layers": [values, values + 1]}, {"depth": target})  # type: ignore[typeddict-item]
    large = F.interpolate(values, size=target.shape[1:], mode="bilinear", align_corners=width == 7)[
        :, 0
    ]
    assert found["l1"].item() == pytest.approx(2 * (large - target).abs().mean().item())
    assert found["l1_0"].item() == pytest.approx(found["l1"].item() / 2)
    assert found["l1_1"].item() == pytest.approx((large + 1 - target).abs().mean().item())


def test_half_precision_is_enlarged_and_compared_in_float32() -> None:
    predicted, target = depths()
    small = predicted.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = depth_terms(small, target.float())
    expected = depth_terms(small.float(), target.float())
    assert all(torch.equal(terms[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("kind", "options", "parts"),
    [
        (DepthLoss, {"terms": {"silogg": 1.0}}, ("'silogg'", "silog", "l1")),
        (DepthLoss, {"terms": {}}, ("terms", "relative")),
        (DepthLoss, {"terms": {"l1": -1.0}}, ("terms.l1", "-1", "0 or more")),
        (DepthLoss, {"variance_focus": 1.5}, ("variance_focus", "1.5", "from 0 to 1")),
        (DepthLoss, {"max_depth": 1e-4}, ("max_depth", "above 0.001")),
        (NormalsLoss, {"terms": {"silog": 1.0}}, ("'silog'", "cosine")),
        (NormalsLoss, {"layer_weight": -1.0}, ("layer_weight", "0 or more")),
    ],
)
def test_options_that_are_refused(kind: Any, options: Any, parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        kind(**options)
