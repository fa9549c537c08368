"""AdamW with a corrected decay, against its update written out number by number."""

import math
import random

import pytest
import torch
from torch import nn
from torch.optim import AdamW

from vision.optim.corrected_decay import CorrectedDecayAdamW

LR, DECAY, BETAS, EPS = 0.01, 0.5, (0.9, 0.999), 1e-8


def test_steps_are_those_of_the_formula() -> None:
    value, first, second = 1.5, 0.0, 0.0
    own = nn.Parameter(torch.tensor([value], dtype=torch.float64))
    optimizer = CorrectedDecayAdamW([own], lr=LR, weight_decay=DECAY, betas=BETAS, eps=EPS)
    generator = random.Random(0)
    for t in range(1, 41):
        gradient = generator.gauss(0.3, 1.0)
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        size = LR * math.sqrt(1 - BETAS[1] ** t) / (1 - BETAS[0] ** t)
        # Published code adds epsilon before the correction, PyTorch after it.
        value -= size * (
            DECAY * value + first / (math.sqrt(second) + EPS * math.sqrt(1 - BETAS[1] ** t))
        )
        own.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        assert own.item() == pytest.approx(value, rel=1e-12)
    assert optimizer.param_groups[0]["weight_decay"] == DECAY


def test_without_decay_it_is_adamw() -> None:
    ours, theirs = (nn.Parameter(torch.arange(6.0)) for _ in range(2))
    optimizers = [
        build([one], lr=LR, weight_decay=0.0)
        for build, one in ((CorrectedDecayAdamW, ours), (AdamW, theirs))
    ]
    for _ in range(3):
        for one, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.step(lambda one=one: _square(one))
    assert torch.equal(ours, theirs)


def test_a_parameter_without_a_gradient_stays() -> None:
    own = nn.Parameter(torch.ones(3))
    CorrectedDecayAdamW([own], lr=LR, weight_decay=DECAY).step()
    assert torch.equal(own.detach(), torch.ones(3))


def _square(parameter: nn.Parameter) -> torch.Tensor:
    parameter.grad = None
    loss = parameter.square().sum()
    loss.backward()
    return loss
