"""Inputs that are made again in the backward pass, against the same layers that keep them."""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from vision.benchmarks.kept import kept_bytes
from vision.layers.lean import call_lean, given, set_lean
from vision.layers.mlp import Mlp


def tokens(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(len(shape))
    return torch.randn(shape, generator=generator, dtype=dtype).requires_grad_()


class Chain(nn.Module):
    """Norm, linear, GELU, linear with a scale."""

    def __init__(self, *, dropout: float = 0.0, scale: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.LayerNorm(6)
        self.mlp = Mlp(6, hidden_dim=16, dropout=dropout)
        self.scale = None if scale is None else nn.Parameter(torch.full((6,), scale))

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x, norm=self.norm, scale=self.scale)


def chains(**options: float) -> tuple[Chain, Chain]:
    plain, lean = Chain(**options), Chain(**options)
    set_lean(lean, True)
    return plain, lean


def gradients(module: nn.Module, x: Tensor) -> list[Tensor]:
    torch.manual_seed(1)
    result = module(x)
    result = (result.float() * torch.arange(result.numel()).view(result.shape).cos()).sum()
    return [result, *torch.autograd.grad(result, [x, *module.parameters()])]


def test_results_and_gradients_are_the_same_bit_for_bit() -> None:
    plain, lean = chains()
    x = tokens(2, 5, 6)
    assert all(map(torch.equal, gradients(lean, x), gradients(plain, x)))


@pytest.mark.parametrize("options", [{"scale": 0.3}, {"scale": 0.3, "dropout": 0.5}])
def test_a_scale_and_dropout_change_no_gradient(options: dict[str, float]) -> None:
    plain, lean = (module.double() for module in chains(**options))
    x = tokens(2, 5, 6, dtype=torch.float64)
    for ours, theirs in zip(gradients(lean, x), gradients(plain, x), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_autocast_changes_no_bit() -> None:
    plain, lean = chains()
    x = tokens(2, 5, 6)
    with torch.autocast("cpu", torch.bfloat16):
        results = [gradients(module, x) for module in (lean, plain)]
    assert all(map(torch.equal, *results))


def test_a_small_scale_is_no_zero_in_float16() -> None:
    plain, lean = chains(scale=1e-6)
    x = tokens(2, 5, 6)
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(lean(x), plain(x))
    assert lean(x).abs().max() > 0


def test_less_is_kept() -> None:
    tall = (1, 100, 6)

    def kept(lean: bool, scale: float | None = None) -> int:
        def build() -> nn.Module:
            chain = Chain(scale=scale)
            set_lean(chain, lean)
            return chain

        return kept_bytes(build, tall, run=lambda module, x: module(x))

    # Of each token: the result, mean and deviation of the norm, the hidden layer before its GELU.
    assert kept(True) == 4 * 100 * (6 + 2 + 16)
    # And the results of the norm and of the GELU.
    assert kept(False) == kept(True) + 4 * 100 * (6 + 16)
    # A scale needs the layer's result; here only the scaled bias, and no scaled weights.
    assert kept(False, 0.1) == kept(False) + 4 * 100 * 6
    assert kept(True, 0.1) - kept(True) <= 4 * 6


def test_the_graph_can_be_used_twice_and_differentiated() -> None:
    plain, lean = (module.double() for module in chains(scale=0.3))
    results = []
    for module in (lean, plain):
        x = tokens(2, 5, 6, dtype=torch.float64)
        loss = module(x).pow(2).sum()
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        (again,) = torch.autograd.grad(loss, x, retain_graph=True)
        assert torch.equal(first, again)
        results.append(torch.autograd.grad(first.pow(2).sum(), [x, *module.parameters()]))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


def steps(chain: Chain, count: int, end: Callable[[Tensor], object]) -> list[int]:
    """Tensors alive after each of some steps, without those of before."""
    gc.freeze()  # what other tests have left is not looked through
    alive = []
    for _ in range(count):
        end(chain(tokens(2, 5, 6)).sum())
        gc.collect()
        alive.append(sum(isinstance(one, Tensor) for one in gc.get_objects()))
    return alive


def test_nothing_stays_alive_after_the_backward_pass_or_without_one() -> None:
    _, lean = chains(scale=0.3)
    for end in (Tensor.backward, Tensor.detach):
        _, second, *later = steps(lean, 4, end)
        assert set(later) == {second}


def test_what_a_layer_is_given_lives_no_longer_than_its_use() -> None:
    layer, x = nn.Linear(6, 3), tokens(4, 6)
    made = []

    def make() -> Tensor:
        y = x.exp()
        made.append(weakref.ref(y))
        return y

    result = call_lean(layer, make)
    assert len(made) == 1
    assert made[0]() is None
    result.sum().backward()
    assert len(made) == 2
    assert made[1]() is None


def test_what_a_layer_makes_itself_is_kept_and_parts_of_inputs_are_made_again() -> None:
    x, y = tokens(4, 6), tokens(1, 3)

    def layer(a: Tensor, b: Tensor) -> Tensor:
        own = (a + 1).exp()  # not among the inputs
        return own * a[1:, 2:5].T.sum() + (a[:, ::2] * b).sum()

    def make() -> Tensor:
        return x.sin()[:, :]

    found = torch.autograd.grad(call_lean(layer, make, lambda: y * 2).sum(), [x, y])
    expected = torch.autograd.grad(layer(make(), y * 2).sum(), [x, y])
    assert all(map(torch.equal, found, expected))


def test_a_layer_may_have_several_results() -> None:
    left, right, x = nn.Linear(6, 3), nn.Linear(6, 2), tokens(4, 6)
    a, b = call_lean(lambda y: (left(y), right(y)), lambda: x.sin())
    (found,) = torch.autograd.grad(a.sum() + b.pow(2).sum(), x)
    y = x.sin()
    (expected,) = torch.autograd.grad(left(y).sum() + right(y).pow(2).sum(), x)
    assert torch.equal(found, expected)


def test_inputs_that_autocast_leaves_alone_are_not_converted() -> None:
    x, y = tokens(4, 6), tokens(4, 6)
    with torch.autocast("cpu", torch.bfloat16):
        product = call_lean(lambda a: a * y, lambda: x.sin(), cast=False)
    assert product.dtype == torch.float32
    assert torch.equal(torch.autograd.grad(product.sum(), y)[0], x.sin())


def test_what_is_given_is_made_the_second_time_only() -> None:
    first, second = tokens(1), tokens(2)
    make = given(first, lambda: second)
    assert make() is first
    assert make() is second
    assert make() is second


@pytest.mark.parametrize("grad", [True, False])
def test_without_gradients_and_in_a_compiler_layers_are_called_as_they_are(
    monkeypatch: pytest.MonkeyPatch, grad: bool
) -> None:
    plain, lean = chains(scale=0.3)
    x = tokens(2, 5, 6)
    expected = plain(x)

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("vision.layers.lean.call_lean", refuse)
    if grad:
        lean = torch.compile(lean, backend="eager", fullgraph=True)
        assert torch.equal(lean(x), expected)
    else:
        with torch.no_grad():
            assert torch.equal(lean(x), expected)
