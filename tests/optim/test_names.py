"""Optimisers by name: against PyTorch's and timm's own, and a state that goes on exactly."""

import io
from typing import Any, get_args

import pytest
import torch
from helpers.refusals import refuses
from timm.optim import create_optimizer_v2, list_optimizers
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer

from vision.errors import ConfigError
from vision.optim.muon import MATRICES, MuonWithAdamW
from vision.optim.names import ELEMENTWISE, FACTORED, TORCH, OptimizerName, create_optimizer
from vision.optim.settings import OptimSettings

NAMES = get_args(OptimizerName)
SHAPES = ((40, 36), (4,), (3, 2, 3, 3))
STEPS = 3
# No group of the test is for Muon's matrices; the others project and clip, but not these numbers.
UNSEEN = {"muon", "adamp", "sgdp", "lambc"}


def parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def gradients(step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def build(name: str, own: list[nn.Parameter], **options: Any) -> Optimizer:
    groups: list[dict[str, Any]] = [
        {"params": own[:1], "lr": 0.01, "weight_decay": 0.05},
        {"params": own[1:], "lr": 0.02, "weight_decay": 0.0},
    ]
    if name == "muon":
        groups[0][MATRICES] = True
    return create_optimizer(name, groups, lr=0.02, betas=(0.9, 0.999), options=options)


def train(optimizer: Optimizer, own: list[nn.Parameter], steps: range) -> None:
    for step in steps:
        for parameter, gradient in zip(own, gradients(step), strict=True):
            parameter.grad = gradient
        optimizer.step()


@pytest.fixture(scope="module", params=NAMES)
def trained(request: pytest.FixtureRequest) -> tuple[str, Optimizer, list[Tensor], bytes]:
    """An optimiser after six steps, the parameters, and its state after three."""
    name = request.param
    own = parameters()
    optimizer = build(name, own)
    train(optimizer, own, range(STEPS))
    file = io.BytesIO()
    torch.save((optimizer.state_dict(), [p.detach().clone() for p in own]), file)
    train(optimizer, own, range(STEPS, 2 * STEPS))
    return name, optimizer, [p.detach() for p in own], file.getvalue()


def test_a_state_from_a_file_goes_on_exactly(trained: Any) -> None:
    name, _, expected, file = trained
    state, values = torch.load(io.BytesIO(file), weights_only=True)
    own = [nn.Parameter(value) for value in values]
    optimizer = build(name, own)
    optimizer.load_state_dict(state)
    train(optimizer, own, range(STEPS, 2 * STEPS))
    for actual, wanted in zip(own, expected, strict=True):
        assert torch.equal(actual, wanted)
        assert torch.isfinite(actual).all()


def test_every_parameter_is_trained(trained: Any) -> None:
    for after, before in zip(trained[2], parameters(), strict=True):
        assert not torch.equal(after, before)


def test_moments_have_the_shape_of_their_parameter_or_are_listed(trained: Any) -> None:
    name, optimizer, _, _ = trained
    own = [(p, state) for p, state in optimizer.state.items() if isinstance(p, Tensor)]
    other = [
        value.shape
        for parameter, state in own
        for value in state.values()
        if isinstance(value, Tensor) and value.ndim > 0 and value.shape != parameter.shape
    ]
    assert bool(other) == (name in FACTORED)


def test_elementwise_ones_train_two_parameters_as_one(trained: Any) -> None:
    """As FSDP has them: joined and flat. What measures a whole parameter comes out otherwise."""
    name, *_ = trained
    own = parameters()
    flat = [nn.Parameter(torch.cat([p.detach().flatten() for p in own]))]
    options = {"lr": 0.02, "betas": (0.9, 0.999), "options": {}}
    apart = create_optimizer(name, [{"params": own, "weight_decay": 0.05}], **options)
    joined = create_optimizer(name, [{"params": flat, "weight_decay": 0.05}], **options)
    for step in range(STEPS):
        given = gradients(step)
        for parameter, gradient in zip(own, given, strict=True):
            parameter.grad = gradient
        flat[0].grad = torch.cat([one.flatten() for one in given])
        apart.step()
        joined.step()
    equal = torch.allclose(torch.cat([p.flatten() for p in own]), flat[0], rtol=1e-6, atol=1e-7)
    if name in ELEMENTWISE:
        assert equal
    elif name not in UNSEEN:
        assert not equal


def test_the_names_of_timm_are_timms() -> None:
    known = set(list_optimizers())
    assert set(NAMES) - set(TORCH) <= known
    assert set(NAMES) >= ELEMENTWISE | FACTORED


@pytest.mark.parametrize("name", ["lamb", "lion", "adan", "sgd", "momentum"])
def test_a_name_means_what_it_means_in_timm(name: str) -> None:
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2))
    ours = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2))
    ours.load_state_dict(theirs.state_dict())
    expected = create_optimizer_v2(theirs, opt=name, lr=0.01, weight_decay=0.05)
    decayed = [p for p in ours.parameters() if p.ndim > 1]
    others = [p for p in ours.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]
    own = create_optimizer(name, groups, lr=0.01, betas=(0.9, 0.999), options={})
    inputs = torch.randn(8, 4)
    for model, optimizer in ((theirs, expected), (ours, own)):
        for _ in range(STEPS):
            optimizer.zero_grad()
            model(inputs).square().sum().backward()
            optimizer.step()
    for actual, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-6, atol=1e-7)


def test_muon_is_pytorchs_beside_its_adamw() -> None:
    """As PyTorch documents it: matrices with Muon, all else with AdamW."""
    own, theirs = parameters(), parameters()
    both = build("muon", own, momentum=0.9)
    assert isinstance(both, MuonWithAdamW)
    muon = Muon(
        theirs[:1], lr=0.01, weight_decay=0.05, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    adamw = AdamW(theirs[1:], lr=0.02, weight_decay=0.0)
    for step in range(STEPS):
        for parameters_, optimizers in ((own, [both]), (theirs, [muon, adamw])):
            for parameter, gradient in zip(parameters_, gradients(step), strict=True):
                parameter.grad = gradient
            for optimizer in optimizers:
                optimizer.step()
    for actual, wanted in zip(own, theirs, strict=True):
        assert torch.equal(actual, wanted)


def test_options_reach_the_optimiser() -> None:
    fused = build("adamw", parameters(), fused=True)
    assert fused.defaults["fused"] is True
    assert build("sgd", parameters(), momentum=0.8, nesterov=False).defaults["momentum"] == 0.8
    assert build("lion", parameters(), betas=[0.9, 0.98]).defaults["betas"] == (0.9, 0.98)


def test_fused_steps_are_those_of_adamw() -> None:
    own, theirs = parameters(), parameters()
    train(build("adamw", own, fused=True), own, range(STEPS))
    train(build("adamw", theirs), theirs, range(STEPS))
    for actual, wanted in zip(own, theirs, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "adamm"}, ("name='adamm'", "Did you mean 'adam'")),
        ({"name": "sgd", "options": {"momentun": 0.9}}, ("sgd", "momentun", "'momentum'")),
        ({"name": "sgd", "options": {"lr": 0.1}}, ("options.lr", "optim.lr")),
        ({"options": {"betas": [0.9, 0.95]}}, ("options.betas", "optim.betas")),
        ({"name": "lion", "betas": (0.9, 0.99)}, ("betas=[0.9, 0.99]", "options.betas")),
        ({"name": "sgd", "betas": (0.8, 0.99)}, ("betas=[0.8, 0.99]", "no betas")),
        ({"name": "sgd", "options": {"momentum": -1}}, ("sgd", "-1", "momentum")),
        ({"name": "muon", "options": {"adjust_lr_fn": "none"}}, ("muon", "none")),
        ({"name": "lamb", "options": {"betas": 3}}, ("lamb", "betas")),
    ],
    ids=str,
)
def test_what_an_optimiser_cannot_take_is_refused(
    options: dict[str, Any], said: tuple[str, ...]
) -> None:
    with refuses(ConfigError, *said):
        OptimSettings(lr=1e-3, **options)
