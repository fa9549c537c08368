"""MonoDETR's criterion; the authors' terms and gradients are in `test_parity_heads.py`."""

import math
from typing import Any

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_monocular import arguments, tiny_head, tiny_target
from torch import Tensor

from vision.contracts.detection3d import MonocularTarget
from vision.errors import ConfigError
from vision.losses.monodetr import (
    MonoDETRLoss,
    MonoDETRLossOptions,
    angle_loss,
    depth_loss,
    encode_angle,
    size_loss,
)
from vision.ops.monocular_predictions import MonocularOutputs

SIZE = (64, 96)
BINS = {"count": 6, "maximum": 20.0}
NAMES = ("class", "center", "sides", "giou", "depth", "size", "angle")
BOXES = torch.tensor([[1.0, 1.5, 12.0, 3.9, 1.6, 1.7, 0.4], [-4.0, 1.2, 17.0, 4.2, 1.4, 1.5, -2.9]])
LABELS = torch.tensor([2, 0])


def criterion(**options: Any) -> MonoDETRLoss:
    return MonoDETRLoss({"bins": BINS, **options})


def targets(*counts: int) -> list[MonocularTarget]:
    return [tiny_target(BOXES[:count], LABELS[:count], SIZE) for count in counts]


def total(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(terms.values())).sum()


def perfect(*, mean: float = 0.0) -> MonocularOutputs:
    """Two queries that know the objects of an image, and a third one that knows there is none."""
    (target,) = targets(2)
    index, rest = encode_angle(target["alpha"], 12)
    logits = torch.full((3, 3), -20.0)
    logits[[0, 1], LABELS] = 20
    hit = torch.nn.functional.one_hot(index, 12)
    last = {
        "logits": logits[None],
        "boxes": torch.cat([target["boxes"], torch.rand(1, 6)])[None],
        "sizes": torch.cat([target["sizes"] - mean, torch.rand(1, 3)])[None],
        "depth_m": torch.cat([target["depth_m"], torch.ones(1)])[None],
        "log_scale": torch.zeros(1, 3),
        "angles": torch.cat(
            [torch.cat([40.0 * hit, hit * rest[:, None]], dim=-1), torch.rand(1, 24)]
        )[None],
    }
    return {
        **last,
        "layers": [],
        "depth_logits": torch.zeros(1, 7, 4, 6),
        "mean_sizes": torch.full((3, 3), mean),
        "num_groups": 1,
    }


@pytest.mark.parametrize("mean", [0.0, 1.25])
def test_perfect_predictions_cost_nothing(mean: float) -> None:
    """Sizes are whole, whatever they are added to."""
    terms = criterion(depth_map_weight=0)(perfect(mean=mean), targets(2))
    assert terms.keys() == {*(f"loss_{name}" for name in NAMES), "loss_depth_map"}
    for name, term in terms.items():
        assert term.item() == pytest.approx(0, abs=1e-5), name


def test_weights_and_the_number_of_objects() -> None:
    outputs = perfect()
    outputs["boxes"] = outputs["boxes"] + torch.tensor([0.01, 0, 0, 0.02, 0, 0])
    terms = criterion()(outputs, targets(2))
    assert terms["loss_center"].item() == pytest.approx(10 * 0.01, rel=1e-4)
    assert terms["loss_sides"].item() == pytest.approx(5 * 0.02, rel=1e-4)
    other = criterion(center_weight=3)(outputs, targets(2))
    assert other["loss_center"].item() == pytest.approx(3 * 0.01, rel=1e-4)


@pytest.mark.parametrize("counts", [(2, 0), (0, 0)])
def test_every_parameter_takes_part_without_objects(counts: tuple[int, int]) -> None:
    head = tiny_head().train()
    outputs = head(*arguments(*SIZE))
    terms = criterion()(outputs, targets(*counts))
    assert len(terms) == 2 * len(NAMES) + 1
    assert all(term.isfinite() for term in terms.values())
    total(terms).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_groups_count_as_often() -> None:
    """Three equal groups cost as much as one."""
    outputs = tiny_head().eval()(*arguments(*SIZE))
    threefold: Any = {**outputs, "layers": [], "num_groups": 3}
    for key in ("logits", "boxes", "sizes", "depth_m", "log_scale", "angles"):
        threefold[key] = torch.cat([outputs[key]] * 3, dim=1)
    once = criterion()({**outputs, "layers": []}, targets(2, 1))
    found = criterion()(threefold, targets(2, 1))
    for name, term in once.items():
        torch.testing.assert_close(found[name], term)


def test_half_precision_is_raised() -> None:
    outputs = perfect()
    half: Any = {
        key: value.bfloat16() if isinstance(value, Tensor) and key != "mean_sizes" else value
        for key, value in outputs.items()
    }
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = criterion()(half, targets(2))
    assert all(term.dtype == torch.float32 for term in terms.values())
    exact = criterion()(outputs, targets(2))
    assert terms["loss_depth_map"].item() == pytest.approx(exact["loss_depth_map"].item(), rel=0.02)


def test_what_is_not_a_number_is_in_the_loss() -> None:
    outputs = perfect()
    outputs["logits"] = torch.full_like(outputs["logits"], torch.nan)
    assert total(criterion()(outputs, targets(2))).isnan()


def test_the_best_scale_is_the_error() -> None:
    """A Laplace density is largest where its deviation is sqrt(2) |d - t|."""
    log_scale = torch.tensor([0.3], requires_grad=True)
    error = math.exp(0.3) / 1.4142
    depth_loss(torch.tensor([10 + error]), log_scale, torch.tensor([10.0])).backward()
    assert log_scale.grad.item() == pytest.approx(0, abs=1e-5)


def test_sizes_count_by_their_share() -> None:
    """Sides of 1 and 4 m, each 0.5 m off: the sum in metres is kept, the short one has 4 / 5."""
    sizes = torch.tensor([[1.5, 4.5, 1.0]], requires_grad=True)
    loss = size_loss(sizes, torch.tensor([[1.0, 4.0, 1.0]]))
    assert loss.item() == pytest.approx(1.0)
    loss.backward()
    ratio = sizes.grad[0, 0] / sizes.grad[0, 1]
    assert ratio.item() == pytest.approx(4)


@pytest.mark.parametrize(
    ("angle", "index", "rest"),
    [
        (0.0, 0, 0.0),
        (0.2, 0, 0.2),
        (-0.2, 0, -0.2),
        (math.pi / 6, 1, 0.0),
        (math.pi, 6, 0.0),
        (-math.pi, 6, 0.0),
        (7 * math.pi, 6, 0.0),
        (-math.pi / 12 - 1e-3, 11, math.pi / 12 - 1e-3),
    ],
)
def test_an_angle_and_its_bin(angle: float, index: int, rest: float) -> None:
    found, difference = encode_angle(torch.tensor([angle], dtype=torch.float64), 12)
    assert found.item() == index
    assert difference.item() == pytest.approx(rest, abs=1e-9)


def test_angles_just_below_a_whole_turn() -> None:
    angles = torch.tensor([-math.pi / 12]).nextafter(torch.tensor([-9.0]))
    index, rest = encode_angle(angles, 12)
    assert index.item() == 11
    assert rest.item() == pytest.approx(math.pi / 12, abs=1e-5)


def test_an_angle_loss_by_hand() -> None:
    angles = torch.zeros(1, 24)
    angles[0, 12] = 0.1
    expected = math.log(12) + 0.3
    assert angle_loss(angles, torch.tensor([-0.2])).item() == pytest.approx(expected, rel=1e-5)


def test_gradients_against_finite_differences() -> None:
    torch.manual_seed(0)
    wanted = torch.rand(3, 3, dtype=torch.float64) + 1
    depth = torch.rand(3, dtype=torch.float64, requires_grad=True)
    scale = torch.rand(3, dtype=torch.float64, requires_grad=True)
    angles = torch.rand(3, 24, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda d, s: depth_loss(d, s, wanted[:, 0]), (depth, scale))
    assert torch.autograd.gradcheck(lambda a: angle_loss(a, wanted[:, 0]), (angles,))


def test_a_head_learns_the_boxes_of_an_image() -> None:
    head = tiny_head(num_groups=2, exact_rows=True).train()
    maps, cameras, sizes, original = arguments(*SIZE, batch=1)
    optimizer = torch.optim.AdamW(head.parameters())
    loss = criterion()
    for step in range(150):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 150)
        optimizer.zero_grad()
        total(loss(head(maps, cameras, sizes, original), targets(2))).backward()
        optimizer.step()
    with torch.no_grad():
        outputs = head.eval()(maps, cameras, sizes, original)
        found = head.predict(head.decode(outputs, head.views(cameras, sizes, original)))[0]
    # Others may have a score that is not quite as low as the threshold yet.
    order = found["labels"][:2].argsort(descending=True)
    assert found["labels"][order].tolist() == LABELS.tolist()
    torch.testing.assert_close(found["boxes3d"][order], BOXES, rtol=0.05, atol=0.25)


def test_other_bins_than_the_head() -> None:
    with refuses(ConfigError, "7 channels", "bins.count=80", "the same bins"):
        MonoDETRLoss()(perfect(), targets(2))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"center_weight": -1}, ("center_weight=-1", "0 or more")),
        ({"matching": {"sides": -1}}, ("matching.sides=-1", "0 or more")),
        ({"matching": {"box": 1}}, ("matching.box", "sides")),
        ({"bins": {"count": 0}}, ("bins.count=0",)),
        ({"weight": 0}, ("loss_options.weight", "center_weight")),
    ],
)
def test_impossible_options(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with refuses(ConfigError, *parts):
        MonoDETRLoss(options)


def test_options_as_an_instance() -> None:
    options = MonoDETRLossOptions(giou_weight=0)
    assert MonoDETRLoss(options).options is options
