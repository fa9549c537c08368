"""Modules that are built without their initial values."""

import torch
from torch import nn

from vision.tasks.unfilled import build_unfilled


def test_no_values_are_drawn() -> None:
    before = torch.get_rng_state()
    module = build_unfilled(lambda: nn.Sequential(nn.Linear(3, 2), nn.Conv2d(2, 4, 3)))
    assert torch.equal(torch.get_rng_state(), before)
    assert [tuple(p.shape) for p in module.parameters()] == [(2, 3), (2,), (4, 2, 3, 3), (4,)]
    state = nn.Sequential(nn.Linear(3, 2), nn.Conv2d(2, 4, 3)).state_dict()
    module.load_state_dict(state)
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key])
    # Afterwards values are drawn again.
    assert nn.Linear(1000, 10).weight.std() > 0.01
    assert not torch.equal(torch.get_rng_state(), before)
