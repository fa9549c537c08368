"""The criterion of centres; the authors' terms and gradients are in `test_parity_heads.py`."""

from typing import Any, cast

import pytest
import torch
from helpers.refusals import refuses
from helpers.tiny_centers import (
    perfect_outputs,
    tiny_center_head,
    tiny_loss,
    tiny_objects,
    total,
)
from torch import Tensor

from vision.errors import ConfigError

TERMS = ["loss_heatmap", "loss_box", "loss_overlap"]


def test_perfect_maps_have_no_loss() -> None:
    head = tiny_center_head()
    targets = [tiny_objects(0, 1, 2), tiny_objects(1)]
    outputs = perfect_outputs(head, targets)
    terms = tiny_loss(head)(outputs, targets)
    assert list(terms) == TERMS
    assert terms["loss_box"] < 1e-4
    assert terms["loss_overlap"] < 1e-4
    # Probabilities stay below 1 by 1e-4.
    assert terms["loss_heatmap"] < 1e-3


def test_terms_are_those_of_a_loop() -> None:
    torch.manual_seed(0)
    head = tiny_center_head(velocity=True)
    targets = [tiny_objects(0, 1), tiny_objects(2)]
    weights = [1.0, 2.0, 3.0, 0.5, 0.5, 0.5, 1.0, 1.0, 0.0, 0.0]
    criterion = tiny_loss(head, code_weights=weights, heatmap_weight=0.5, overlap_weight=3.0)
    outputs = head([torch.randn(2, 6, 16, 20)])
    terms = criterion(outputs, targets)
    wanted = criterion.targets(targets, outputs["heatmap"].shape)
    found = outputs["heatmap"].sigmoid()
    near = (1 - wanted.heatmap) ** 4 * found**2 * (1 - found).log()
    heat = torch.where(wanted.heatmap == 1, (1 - found) ** 2 * found.log(), near)
    torch.testing.assert_close(terms["loss_heatmap"], -0.5 * heat.sum() / 3)
    names = ("offset", "height", "log_size", "rotation")
    maps = torch.cat([cast(dict[str, Tensor], outputs)[name] for name in names], dim=1).flatten(2)
    apart, overlap = torch.zeros(()), torch.zeros(())
    truth = criterion.overlaps(maps.transpose(1, 2)[:, wanted.cell[0]], wanted, 20)
    for i, count in enumerate((2, 1)):
        for k in range(count):
            cell = wanted.cell[i, k]
            code = (maps[i, :, cell] - wanted.code[i, k]).abs()
            apart = apart + (code * torch.tensor(weights[:8])).sum()
            said = outputs["overlap"][i, 0].flatten()[cell]
            if i == 0:
                overlap = overlap + (said - truth[i, k]).abs()
    torch.testing.assert_close(terms["loss_box"], 2 * apart / (3 + 1e-4))
    first = criterion({k: v[:1] for k, v in outputs.items()}, targets[:1])
    torch.testing.assert_close(first["loss_overlap"], 3 * overlap / (2 + 1e-4))


@pytest.mark.parametrize("velocity", [False, True])
def test_every_parameter_has_a_gradient_without_objects(velocity: bool) -> None:
    head = tiny_center_head(velocity=velocity)
    outputs = head([torch.randn(2, 6, 16, 20)])
    terms = tiny_loss(head)(outputs, [tiny_objects(), tiny_objects()])
    assert terms["loss_box"] == terms["loss_overlap"] == 0
    total(terms).backward()
    assert all(parameter.grad is not None for parameter in head.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())
    for name in ("offset", "overlap"):
        assert not head.get_parameter(f"predictions.{name}.output.bias").grad.any()
    assert head.get_parameter("predictions.heatmap.output.bias").grad.any()


def test_without_an_expected_overlap_there_is_no_term_for_it() -> None:
    head = tiny_center_head(overlap=False)
    outputs = head([torch.randn(1, 6, 16, 20)])
    assert list(tiny_loss(head)(outputs, [tiny_objects(0)])) == TERMS[:2]


def test_overlaps_compare_boxes_as_if_they_stood_on_their_centres() -> None:
    head = tiny_center_head()
    criterion = tiny_loss(head)
    outputs = perfect_outputs(head, [tiny_objects(0)])
    wanted = criterion.targets([tiny_objects(0)], outputs["heatmap"].shape)
    code = wanted.code.clone()
    # Twice as high: half of it is shared from the bottom, where of the true boxes 3 / 4 were.
    code[..., 5] += torch.tensor(2.0).log()
    assert criterion.overlaps(code, wanted, 20)[0, 0] == pytest.approx(0.5, abs=1e-5)


def test_half_precision_is_computed_in_float32() -> None:
    head = tiny_center_head()
    targets = [tiny_objects(0, 1, 2)]
    outputs = perfect_outputs(head, targets)
    half = {key: value.bfloat16() for key, value in cast(dict[str, Tensor], outputs).items()}
    terms = tiny_loss(head)(half, targets)
    assert all(term.dtype == torch.float32 for term in terms.values())


def test_a_few_steps_find_the_objects() -> None:
    head = tiny_center_head(score_threshold=0.3).train()
    targets = [tiny_objects(0, 1), tiny_objects(2)]
    criterion = tiny_loss(head)
    image = torch.randn(2, 6, 16, 20)
    optimiser = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(60):
        optimiser.zero_grad()
        total(criterion(head([image]), targets)).backward()
        optimiser.step()
    found = head.predict(head([image]))
    assert [sorted(one["labels"].tolist()) for one in found] == [[0, 1], [2]]
    for objects, target in zip(found, targets, strict=True):
        order = objects["labels"].argsort()
        apart = objects["boxes3d"][order, :3] - target["boxes3d"][:, :3]
        assert apart.abs().max() < 0.3


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"code_weights": (1.0,) * 9}, ["loss_options.code_weights", "8 numbers"]),
        ({"max_objects": 0}, ["loss_options.max_objects=0"]),
        ({"min_overlap": 1.0}, ["loss_options.min_overlap"]),
        ({"box_weigth": 1.0}, ["loss_options.box_weigth", "box_weight"]),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: list[str]) -> None:
    with refuses(ConfigError, *said):
        tiny_loss(tiny_center_head(), **options)
