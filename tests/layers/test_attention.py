"""Attention against its formula, on the fused kernels and on the path for exports."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from vision.layers.attention import attend, attend_recomputed, is_exporting, lay_out_bias


def formula(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, scale: float) -> Tensor:
    scores = torch.einsum("bhnd,bhld->bhnl", query, key) * scale + bias
    weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
    return torch.einsum("bhnl,bhld->bhnd", weights, value)


def inputs() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    shapes = [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8), (1, 3, 5, 7)]
    query, key, value, bias = (torch.randn(shape) for shape in shapes)
    return query, key, value, bias


@pytest.mark.parametrize("exporting", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
def test_formula(exporting: bool, scale: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: exporting)
    query, key, value, bias = inputs()
    expected = formula(query, key, value, bias, 8**-0.5 if scale is None else scale)
    torch.testing.assert_close(attend(query, key, value, bias=bias, scale=scale), expected)
    expected = formula(query, key, value, 0 * bias, 8**-0.5 if scale is None else scale)
    torch.testing.assert_close(attend(query, key, value, scale=scale), expected)


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_each_kernel_of_the_cpu_gives_the_formula(
    backend: SDPBackend, dtype: torch.dtype, bound: float
) -> None:
    query, key, value, bias = (x.to(dtype) for x in inputs())
    expected = formula(*(x.double() for x in (query, key, value, bias)), 0.3)
    with sdpa_kernel(backend):
        found = attend(query, key, value, bias=bias, scale=0.3)
    torch.testing.assert_close(found.double(), expected, rtol=bound, atol=bound)


def test_a_learned_bias_gets_the_gradient_of_the_formula() -> None:
    query, key, value, bias = inputs()
    gradients = []
    for function in (formula, lambda q, k, v, b, s: attend(q, k, v, bias=b, scale=s)):
        learned = bias.clone().requires_grad_()
        function(query, key, value, learned, 0.3).square().sum().backward()
        gradients.append(learned.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize("exporting", [False, True])
def test_dropout_drops_weights_and_keeps_their_mean(
    exporting: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: exporting)
    torch.manual_seed(0)
    query, key = torch.zeros(1, 1, 400, 4), torch.zeros(1, 1, 50, 4)
    out = attend(query, key, torch.ones(1, 1, 50, 1), dropout=0.5)
    assert out.std() > 0.05
    assert out.mean().item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("chosen", [None, [2, 0, 1, 2]])
@pytest.mark.parametrize("length", [7, 8])
def test_a_bias_laid_out_for_a_gpu_is_the_same(
    length: int, chosen: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    # As a table of biases, whose heads come last.
    table = torch.randn(5, length, 3, generator=generator, dtype=torch.float64).requires_grad_()
    rows = None if chosen is None else torch.tensor(chosen)
    plain = lay_out_bias(table.permute(2, 0, 1), rows)
    monkeypatch.setattr("vision.layers.attention._is_for_gpu", lambda bias: True)
    there = lay_out_bias(table.permute(2, 0, 1), rows)
    assert there.stride() == (40, 8, 1)
    assert torch.equal(there, plain)
    weight = torch.randn(plain.shape, generator=generator, dtype=torch.float64)
    found, expected = (torch.autograd.grad((x * weight).sum(), table)[0] for x in (there, plain))
    assert torch.equal(found, expected)
    # The kernels take it as it is.
    query, key, value = (torch.randn(2, len(plain), n, 8).double() for n in (5, length, length))
    results = [attend(query, key, value, bias=x.detach()[None]) for x in (there, plain)]
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-12)


class Attention(nn.Module):
    def forward(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        return attend(query, key, value, bias=bias)


def test_an_export_has_no_fused_operator() -> None:
    arguments: Any = inputs()
    program = torch.export.export(Attention(), arguments)
    called = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not any("scaled_dot_product" in name for name in called)
    torch.testing.assert_close(
        program.module()(*arguments), attend(*arguments[:3], bias=inputs()[3])
    )


class Asks(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if is_exporting() else x


def test_an_export_is_told_from_a_compilation() -> None:
    zero = torch.zeros(1)
    assert torch.compile(Asks(), backend="eager", fullgraph=True)(zero).item() == 0
    assert torch.export.export(Asks(), (zero,)).module()(zero).item() == 1


@pytest.mark.parametrize("shared", [False, True])
def test_weights_computed_again_give_the_same_gradients(
    monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    # Two sets, or the heads of two kinds of window, at a time; the last one alone.
    monkeypatch.setattr("vision.layers.attention._WEIGHTS", 2 * (5 if shared else 3) * 6 * 6)
    rows = torch.tensor([1, 0, 1]) if shared else None
    generator = torch.Generator().manual_seed(0)
    shapes = [(5, 3, 6, 4)] * 3 + [(2 if shared else 3, 6, 6)]
    inputs = [torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes]
    q, k, v, bias = inputs = [x.requires_grad_() for x in inputs]
    whole = bias if rows is None else bias[rows]
    plain = attend(q, k, v, bias=whole[None], scale=0.3)
    again = attend_recomputed(q, k, v, bias=bias, scale=0.3, rows=rows)
    torch.testing.assert_close(again, plain, rtol=1e-9, atol=1e-9)
    given = torch.cos(3 * plain.detach())
    expected = torch.autograd.grad(plain, inputs, given)
    for ours, theirs in zip(torch.autograd.grad(again, inputs, given), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
