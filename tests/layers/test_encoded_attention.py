from itertools import pairwise

import pytest
import torch
from helpers.properties import examples
from helpers.refusals import refuses
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vision.errors import ConfigError
from vision.layers.encoded_attention import EncodedAttention, signals_of
from vision.ops.voxel_windows import encode_windows
from vision.ops.voxels import group_cells


def make_layer(encoding: str = "XYZ_RGB", heads: int = 2) -> EncodedAttention:
    torch.manual_seed(0)
    layer = EncodedAttention(
        6 * heads, num_heads=heads, window_size=2, quant_size=2, encoding=encoding
    ).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(std=0.5)
    return layer


def by_loop(layer: EncodedAttention, x: Tensor, window: list[int], positions: Tensor) -> Tensor:
    """The attention voxel by voxel, from the formulas."""
    heads, width = layer.num_heads, x.shape[1] // layer.num_heads
    query, key, value = layer.qkv(x).view(len(x), 3, heads, width).unbind(1)
    query = query * width**-0.5
    rows = []
    for i in range(len(x)):
        mine = [j for j in range(len(x)) if window[j] == window[i]]
        scores, values = [], []
        for j in mine:
            terms = []
            for term in ("query", "key", "value"):
                total = torch.zeros(heads, width, dtype=x.dtype)
                for s, signal in enumerate(layer.signals):
                    table = layer.get_parameter(f"{term}_{signal.name}_table")
                    for axis in range(3):
                        steps = positions[i, 3 * s + axis] - positions[j, 3 * s + axis]
                        row = int(torch.floor(steps + signal.length / 2))
                        total = total + table[axis, min(max(row, 0), signal.length - 1)]
                terms.append(total)
            score = query[i] * key[j] + query[i] * terms[0] + key[j] * terms[1]
            scores.append(score.sum(1))
            values.append(value[j] + terms[2])
        weights = torch.stack(scores).softmax(0)[..., None]
        rows.append((weights * torch.stack(values)).sum(0).flatten())
    return layer.proj(torch.stack(rows))


def run(
    layer: EncodedAttention, x: Tensor, window: list[int], positions: Tensor, numbers: int
) -> Tensor:
    lengths = [signal.length for signal in layer.signals for _ in range(3)]
    groups = group_cells(torch.tensor(window)[:, None])
    windows = encode_windows(groups, positions, lengths, heads=layer.num_heads, numbers=numbers)
    assert all(a.stop == b.start for a, b in pairwise(windows.parts))
    return layer(x, windows)


@examples(15)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=14),
    st.sampled_from([1, 2000, 10**7]),
    st.integers(0, 99),
)
def test_parts_change_nothing_of_the_loop(window: list[int], numbers: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    layer = make_layer()
    x = torch.randn(len(window), 12, generator=rng, dtype=torch.float64, requires_grad=True)
    positions = torch.randn(len(window), 6, generator=rng, dtype=torch.float64) * 3
    results = []
    for found in (by_loop(layer, x, window, positions), run(layer, x, window, positions, numbers)):
        layer.zero_grad()
        x.grad = None
        found.sin().sum().backward()
        results.append([found, x.grad, *(parameter.grad for parameter in layer.parameters())])
    torch.testing.assert_close(results[1], results[0])


def test_gradients() -> None:
    layer, window = make_layer("XYZ", heads=1), [0, 1, 0, 0, 1]
    positions = torch.randn(5, 3, dtype=torch.float64) * 3
    x = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: run(layer, x, window, positions, 10**6), x)


def test_the_signals_of_an_encoding() -> None:
    signals = signals_of("XYZ_RGB_NORM", window_size=5, quant_size=4)
    assert [(s.name, s.scale, s.length) for s in signals] == [
        ("xyz", 4, 40),
        ("rgb", 8, 32),
        ("norm", 8, 32),
    ]
    with refuses(ConfigError, "'RGB'", "'XYZ_RGB'"):
        signals_of("RGB", window_size=5, quant_size=4)
    with refuses(ConfigError, "dim=7", "num_heads=2"):
        EncodedAttention(7, num_heads=2, window_size=2, quant_size=2, encoding="XYZ")


@pytest.mark.parametrize("encoding", ["XYZ", "XYZ_RGB_NORM"])
def test_tables_of_the_signals_alone(encoding: str) -> None:
    layer = make_layer(encoding)
    names = {name for name, _ in layer.named_parameters() if name.endswith("_table")}
    signals = encoding.lower().split("_")
    assert names == {f"{t}_{s}_table" for t in ("query", "key", "value") for s in signals}


def test_half_precision_is_for_the_linear_layers_alone() -> None:
    layer = make_layer().float()
    x, positions = torch.randn(4, 12), torch.randn(4, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = run(layer, x, [0, 0, 1, 1], positions, 10**6)
    assert found.dtype == torch.bfloat16
    expected = run(layer, x, [0, 0, 1, 1], positions, 10**6)
    torch.testing.assert_close(found.float(), expected, rtol=0.1, atol=0.1)
