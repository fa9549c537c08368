"""Manhattan attention: decays, rotations, and the forms of the attention."""

from typing import Any

import pytest
import torch
from torch import Tensor

from vision.backbones import manhattan
from vision.backbones.manhattan import ManhattanAttention, ManhattanPrior, rotate_pairs


def prior(decomposed: bool, **overrides: Any) -> ManhattanPrior:
    options = {"num_heads": 3, "init_value": 2, "head_range": 6, **overrides}
    return ManhattanPrior(8, **options, decomposed=decomposed)


def test_decays_fall_with_the_manhattan_distance() -> None:
    _, decay = prior(decomposed=False)(torch.zeros(1, 4, 5, 24))
    assert decay.shape == (1, 3, 20, 20)
    # From row 0, column 1 to row 3, column 4: six steps of the factor 1 - 2 ** -(2 + 6 * h / 3).
    for head in range(3):
        expected = (1 - 2.0 ** -(2 + 2 * head)) ** 6
        assert decay[0, head, 1, 3 * 5 + 4].exp().item() == pytest.approx(expected, rel=1e-5)
        assert decay[0, head, 3 * 5 + 4, 1] == decay[0, head, 1, 3 * 5 + 4]


def test_decays_of_a_map_are_those_of_its_rows_and_columns() -> None:
    x = torch.zeros(1, 4, 5, 24)
    _, whole = prior(decomposed=False)(x)
    _, rows, columns = prior(decomposed=True)(x)
    assert rows.shape == (1, 3, 5, 5)
    assert columns.shape == (1, 3, 4, 4)
    total = columns[:, :, :, None, :, None] + rows[:, :, None, :, None, :]
    torch.testing.assert_close(total.reshape(1, 3, 20, 20), whole)


def test_rotation_turns_pairs_by_position_times_frequency() -> None:
    rotation, _ = prior(decomposed=False)(torch.zeros(1, 2, 3, 24))
    x = torch.randn(2, 2, 3, 5, 8)
    rotated = torch.view_as_complex(rotate_pairs(x, rotation).unflatten(-1, (4, 2)).contiguous())
    plain = torch.view_as_complex(x.unflatten(-1, (4, 2)))
    position = torch.arange(6.0).view(2, 3)
    frequency = torch.tensor([1.0, 10000 ** (-1 / 3), 10000 ** (-2 / 3), 1e-4])
    angle = position[:, :, None] * frequency
    expected = plain * torch.polar(torch.ones_like(angle), angle)[:, :, None]
    torch.testing.assert_close(rotated, expected)


def naive_attention(
    attention: ManhattanAttention, x: Tensor, decay: Tensor, rotation: Tensor
) -> Tensor:
    """The formula of the whole map, one image and one head at a time."""
    batch, height, width, dim = x.shape
    q, k = attention.qk(x).unflatten(-1, (2, attention.num_heads, -1)).unbind(3)
    q, k = rotate_pairs(q, rotation).flatten(1, 2), rotate_pairs(k, rotation).flatten(1, 2)
    v = attention.v(x)
    out = torch.empty(batch, height * width, attention.num_heads, dim // attention.num_heads)
    values = v.unflatten(-1, (attention.num_heads, -1)).flatten(1, 2)
    for image in range(batch):
        for head in range(attention.num_heads):
            scores = q[image, :, head] @ k[image, :, head].T * q.shape[-1] ** -0.5
            weights = (scores + decay[0, head]).softmax(dim=-1)
            out[image, :, head] = weights @ values[image, :, head]
    local = attention.local(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return attention.proj(out.reshape(batch, height, width, dim) + local)


@torch.no_grad()
def test_attention_over_the_whole_map() -> None:
    torch.manual_seed(0)
    attention = ManhattanAttention(24, num_heads=3)
    x = torch.randn(2, 4, 5, 24)
    rotation, decay = prior(decomposed=False)(x)
    expected = naive_attention(attention, x, decay, rotation)
    torch.testing.assert_close(attention(x, rotation, decay), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1)])
@torch.no_grad()
def test_both_forms_agree_on_a_single_line(shape: tuple[int, int]) -> None:
    """Attention among one token is the identity, so that one pass of the two is left."""
    torch.manual_seed(0)
    attention = ManhattanAttention(24, num_heads=3)
    x = torch.randn(2, *shape, 24)
    whole = attention(x, *prior(decomposed=False)(x))
    parts = attention(x, *prior(decomposed=True)(x))
    torch.testing.assert_close(parts, whole, rtol=1e-4, atol=1e-5)


def test_decay_rates_are_float32_numbers_in_a_float64_model() -> None:
    single, double = prior(decomposed=False), prior(decomposed=False).double()
    x = torch.zeros(1, 2, 2, 24)
    assert torch.equal(double(x.double())[1], double.log_decay.view(1, 3, 1, 1) * distances())
    assert torch.equal(double.log_decay, single.log_decay.double())


def distances() -> Tensor:
    rows = [[0, 1, 1, 2], [1, 0, 2, 1], [1, 2, 0, 1], [2, 1, 1, 0]]
    return torch.tensor(rows, dtype=torch.float64)


def test_decays_follow_newly_loaded_rates() -> None:
    model = prior(decomposed=False)
    x = torch.zeros(1, 2, 2, 24)
    before = model(x)[1]
    model.load_state_dict({"log_decay": 2 * model.log_decay})
    torch.testing.assert_close(model(x)[1], 2 * before)


def test_constants_are_made_in_the_type_of_the_attention() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        constants = prior(decomposed=True)(torch.zeros(1, 2, 3, 24))
    assert {constant.dtype for constant in constants} == {torch.bfloat16}


@pytest.mark.parametrize("part", [1, 3 * 30 * 4, 10**6])
def test_decays_of_a_large_map_are_made_in_parts(
    part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts of one query, of four and one that is not full, and of all give what the whole gives.

    Outputs and gradients of two images on a map that is not square.
    """
    torch.manual_seed(0)
    attention = ManhattanAttention(24, num_heads=3).double()
    x = torch.randn(2, 5, 6, 24, dtype=torch.float64, requires_grad=True)
    inputs = (x, *attention.parameters())
    constants = prior(decomposed=False).double()

    def run() -> tuple[Tensor, tuple[Tensor, ...]]:
        out = attention(x, *constants(x))
        return out, torch.autograd.grad(out.square().sum(), inputs)

    whole = run()
    monkeypatch.setattr(manhattan, "WHOLE", 0)
    monkeypatch.setattr(manhattan, "PART", part)
    assert constants(x)[1].shape == (3,)
    assert constants(x, whole=True)[1].shape == (1, 3, 30, 30)
    torch.testing.assert_close(run(), whole, rtol=1e-12, atol=1e-12)


def test_parts_in_half_precision_have_gradients_of_its_accuracy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    attention = ManhattanAttention(24, num_heads=3)
    x = torch.randn(1, 5, 6, 24, requires_grad=True)

    def grad() -> Tensor:
        return torch.autograd.grad(attention(x, *prior(decomposed=False)(x)).square().sum(), x)[0]

    exact = grad()
    monkeypatch.setattr(manhattan, "WHOLE", 0)
    with torch.autocast("cpu", torch.bfloat16):
        rough = grad()  # The backward pass, too, runs under autocast.
    assert (rough - exact).norm() <= 0.02 * exact.norm()
