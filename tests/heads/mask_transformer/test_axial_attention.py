"""Axial attention against sums written out, cell by cell."""

import torch
from helpers.refusals import refuses
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.heads.mask_transformer.axial_attention import (
    AxialAttention2d,
    AxisAttention,
    relative_index,
)
from vision.layers.size_cache import SizeCache


def attention(channels: int = 6, *, heads: int = 2, keys: int = 4) -> AxisAttention:
    torch.manual_seed(0)
    return AxisAttention(
        channels, key_channels=keys, value_channels=8, num_heads=heads, cache=SizeCache()
    ).eval()


@torch.no_grad()
def test_equals_the_equation() -> None:
    """The norms of a new module only scale by 1 / sqrt(1.001)."""
    module, x = attention(), torch.randn(1, 6, 5)
    shrink = 1.001**-0.5
    query, key, value = (shrink * module.qkv(x)[0]).split([4, 4, 8])
    expected = torch.zeros(8, 5)
    for head in range(2):
        q, k, v = query[2 * head :][:2], key[2 * head :][:2], value[4 * head :][:4]
        for here in range(5):
            scores = torch.zeros(5)
            for there in range(5):
                row = there - here + 254
                content = q[:, here] @ k[:, there]
                of_query = q[:, here] @ module.query_table[row]
                of_key = k[:, there] @ module.key_table[row]
                scores[there] = shrink * (content + of_query + of_key)
            for there, weight in enumerate(scores.softmax(dim=0)):
                row = there - here + 254
                total = v[:, there] + module.value_table[row]
                expected[4 * head : 4 * head + 4, here] += shrink * weight * total
    torch.testing.assert_close(module(x)[0], expected)


@torch.no_grad()
def test_columns_come_first_and_then_rows() -> None:
    torch.manual_seed(0)
    module = AxialAttention2d(8, key_channels=4, num_heads=2, cache=SizeCache()).eval()
    x = torch.randn(2, 8, 3, 5)
    columns = torch.stack([module.height(x[..., j]) for j in range(5)], dim=-1)
    rows = torch.stack([module.width(columns[:, :, i]) for i in range(3)], dim=2)
    torch.testing.assert_close(module(x), F.gelu(rows))


@torch.no_grad()
def test_sizes_that_alternate_do_not_mix() -> None:
    module = attention()
    long, short = torch.randn(1, 6, 7), torch.randn(1, 6, 4)
    first = module(long)
    module(short)
    torch.testing.assert_close(module(long), first, rtol=0, atol=0)
    torch.testing.assert_close(attention()(long), first, rtol=0, atol=0)


def test_cells_further_apart_than_the_table_share_its_ends() -> None:
    index = relative_index(300, torch.device("cpu"))
    assert index[0, [0, 1, 254, 255, 299]].tolist() == [254, 255, 508, 508, 508]
    assert index[299, [298, 45, 44, 0]].tolist() == [253, 0, 0, 0]


def test_heads_that_do_not_divide_the_channels() -> None:
    with refuses(ConfigError, "3 heads", "4 of keys"):
        attention(heads=3)
