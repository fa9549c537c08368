"""Fused steps: where they are the default, and that they are the algorithm's."""

import pytest
import torch
from helpers.tiny_task import tiny_task
from torch import nn
from torch.optim import AdamW

from vision.optim.fused import FUSED, fused_by_default, place_steps
from vision.optim.names import create_optimizer
from vision.optim.optimizers import build_optimizer

WEIGHTS = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.bfloat16))]


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_default_where_pytorch_has_them(name: str) -> None:
    assert fused_by_default(name, (), WEIGHTS)
    assert fused_by_default(name, ("maximize",), WEIGHTS, precision="bf16-mixed")


@pytest.mark.parametrize("option", ["fused", "foreach", "capturable", "differentiable"])
def test_the_users_choice_stays(option: str) -> None:
    assert not fused_by_default("adamw", (option,), WEIGHTS)


def test_where_they_are_not_the_default() -> None:
    for name in ("muon", "lamb", "adamw_corrected_decay"):
        assert not fused_by_default(name, (), WEIGHTS)
    assert not fused_by_default("adamw", (), WEIGHTS, precision="16-mixed")
    elsewhere = nn.Parameter(torch.ones(2, device="meta"))
    assert not fused_by_default("adamw", (), [*WEIGHTS, elsewhere])


@pytest.mark.parametrize("name", sorted(FUSED))
def test_steps_equal_those_of_single_tensors(name: str) -> None:
    results = []
    for options in ({"fused": True}, {"foreach": False}):
        generator = torch.Generator().manual_seed(0)
        weights = nn.Parameter(torch.randn(50, dtype=torch.float64, generator=generator))
        group = {"params": [weights], "weight_decay": 0.1}
        optimizer = create_optimizer(name, [group], lr=0.1, betas=(0.9, 0.99), options=options)
        for _ in range(5):
            weights.grad = torch.randn(50, dtype=torch.float64, generator=generator)
            optimizer.step()
        results.append(weights.detach())
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-12)


def test_a_task_steps_fused_unless_told_otherwise() -> None:
    for options, fused in ((None, True), ({"foreach": True}, None), ({"fused": False}, False)):
        task = tiny_task(options=options)
        groups = build_optimizer(task, task.optim).param_groups
        assert [group["fused"] for group in groups] == [fused] * len(groups)


def test_counts_of_steps_go_where_the_kernel_needs_them() -> None:
    # Another device than the count's, which a test without a GPU has.
    weights = nn.Parameter(torch.ones(2, device="meta"))
    for options, device in (({}, "cpu"), ({"capturable": True}, "meta")):
        optimizer = AdamW([weights], **options)
        optimizer.state[weights] = {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}
        place_steps(optimizer)
        assert optimizer.state[weights]["step"].device.type == device
        assert optimizer.state[weights]["exp_avg"].device.type == "cpu"
