"""Attention inside windows of voxels, with tables of learned vectors for the differences of pairs.

"Swin3D: A Pretrained Transformer Backbone for 3D Indoor Scene Understanding", Yang et al., 2023,
https://arxiv.org/abs/2304.06906, section 3.2 (contextual relative signal encoding). The score of a
pair is `q . k + q . t_q + k . t_k`, its value `v + t_v`, where each `t` is the sum over the axes of
positions, colours and normals of the table's row for the difference.

No tensor has a number per pair and channel. A voxel's products with all rows of a table are
computed at once and looked up by the pairs; weights are summed by row before they meet the table of
values. That is done a part of the windows at a time, so that products with rows are never there for
all voxels; kept for the backward pass are one weight per pair and head, and the rows of each pair.

Letters: N voxels, H heads, D width of a head, W windows of a part, n places of each, M voxels of a
part, R rows of all axes' tables.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.ops.voxel_windows import EncodedWindows, WindowPart

Encoding = Literal["XYZ", "XYZ_RGB", "XYZ_RGB_NORM"]
TERMS = ("query", "key", "value")


class Signal(NamedTuple):
    """One of the signals that are encoded.

    Attributes:
        name: `"xyz"`, `"rgb"` or `"norm"`, the name of its tables.
        scale: Table rows per voxel, or per unit of colours and normals.
        length: Rows of each axis's table.
    """

    name: str
    scale: int
    length: int


def signals_of(encoding: Encoding, *, window_size: int, quant_size: int) -> list[Signal]:
    """The signals of an encoding.

    Args:
        encoding: Their names.
        window_size: Side of a window in voxels.
        quant_size: Table rows per voxel; colours and normals, which span -1 to 1, have twice as
            many per unit.

    Raises:
        ConfigError: There is no such encoding.
    """
    if encoding not in ("XYZ", "XYZ_RGB", "XYZ_RGB_NORM"):
        raise ConfigError(f"encoding='{encoding}' must be 'XYZ', 'XYZ_RGB' or 'XYZ_RGB_NORM'.")
    shade = 2 * quant_size
    lengths = {
        "xyz": (quant_size, 2 * window_size * quant_size),
        "rgb": (shade, 4 * shade),
        "norm": (shade, 4 * shade),
    }
    return [Signal(name, *lengths[name]) for name in encoding.lower().split("_")]


class EncodedAttention(nn.Module):
    """Multi-head attention of the voxels of each window, with encoded differences.

    Args:
        dim: Width of a voxel, a multiple of the heads.
        num_heads: Number of heads.
        window_size: Side of a window in voxels.
        quant_size: Table rows per voxel.
        encoding: Which signals are encoded.

    Attributes:
        signals: The signals, in the order of the axes of positions.

    Raises:
        ConfigError: The heads do not divide the width.
    """

    def __init__(
        self, dim: int, *, num_heads: int, window_size: int, quant_size: int, encoding: Encoding
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ConfigError(f"dim={dim} must be a multiple of num_heads={num_heads}.")
        self.num_heads = num_heads
        self.signals = signals_of(encoding, window_size=window_size, quant_size=quant_size)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        for signal in self.signals:
            for term in TERMS:
                shape = (3, signal.length, num_heads, dim // num_heads)
                self.register_parameter(_table(term, signal), nn.Parameter(torch.empty(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Fill the tables from a truncated normal of standard deviation 0.02."""
        for signal in self.signals:
            for term in TERMS:
                nn.init.trunc_normal_(self.get_parameter(_table(term, signal)), std=0.02)

    def forward(self, x: Tensor, windows: EncodedWindows) -> Tensor:
        """Attend.

        Args:
            x: float `(N, C)`.
            windows: The windows of the voxels.

        Returns:
            `(N, C)`, after the projection.
        """
        qkv = self.qkv(x)
        tables = self.joined_tables()
        # In the type of the tables: sums of many small products.
        with torch.autocast(x.device.type, enabled=False):
            qkv = qkv.to(tables[0].dtype)[windows.order]
            query, key, value = qkv.unflatten(1, (3, self.num_heads, -1)).permute(1, 2, 0, 3)
            query = query * query.shape[-1] ** -0.5
            of_query, of_key, of_value = (table.permute(1, 2, 0) for table in tables)  # (H, D, R)
            found = attend_encoded(query, key, value, of_query, of_key, of_value, windows.parts)
            # (H, N, D) to (N, C)
            found = found.transpose(0, 1).flatten(1)[windows.place]
        return self.proj(found)

    def joined_tables(self) -> list[Tensor]:
        """The tables of query, key and value, those of all axes one after another: `(R, H, D)`."""
        return [
            torch.cat([self.get_parameter(_table(term, s)).flatten(0, 1) for s in self.signals])
            for term in TERMS
        ]


def _table(term: str, signal: Signal) -> str:
    return f"{term}_{signal.name}_table"


def attend_encoded(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_table: Tensor,
    key_table: Tensor,
    value_table: Tensor,
    parts: Sequence[WindowPart],
) -> Tensor:
    """Attention inside windows with the terms of the tables.

    Args:
        query: `(H, N, D)`, scaled, in the order of windows.
        key: `(H, N, D)`.
        value: `(H, N, D)`.
        query_table: `(H, D, R)`.
        key_table: `(H, D, R)`.
        value_table: `(H, D, R)`.
        parts: The windows.

    Returns:
        `(H, N, D)`.
    """
    result: Tensor = _Encoded.apply(query, key, value, query_table, key_table, value_table, parts)
    return result


class _Encoded(torch.autograd.Function):
    """Of all that is computed for pairs and rows, the weights alone are kept."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        query_table: Tensor,
        key_table: Tensor,
        value_table: Tensor,
        parts: Sequence[WindowPart],
    ) -> Tensor:
        ctx.parts = parts
        kept = []
        result = torch.empty_like(query, memory_format=torch.contiguous_format)
        to_value = value_table.transpose(1, 2).contiguous()  # (H, R, D)
        for part in parts:
            span = slice(part.start, part.stop)
            lookup = _Lookup(part, query_table.shape[2])
            weights = lookup.weights(query[:, span], key[:, span], query_table, key_table)
            sums = lookup.sum_rows(weights, lookup.of_query)  # (H, M, R)
            found = lookup.unpad(weights @ lookup.pad(value[:, span]))
            result[:, span] = found.baddbmm_(sums, to_value)
            kept.append(weights)
        inputs = (query, key, value, query_table, key_table, value_table)
        ctx.save_for_backward(*inputs, *kept)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        # Also where the loss is differentiated inside autocast.
        with torch.autocast(grad.device.type, enabled=False):
            return _Encoded._gradients(ctx, grad)

    @staticmethod
    def _gradients(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, query_table, key_table, value_table, *kept = ctx.saved_tensors
        to_query, to_key, to_value = query.new_empty((3, *query.shape)).unbind()
        tables = (query_table, key_table, value_table)
        to_tables = [torch.zeros_like(t, memory_format=torch.contiguous_format) for t in tables]
        for part, weights in zip(ctx.parts, kept, strict=True):  # (H, W, n, n)
            span = slice(part.start, part.stop)
            q, k, v, g = (x[:, span] for x in (query, key, value, grad))
            lookup = _Lookup(part, query_table.shape[2])
            sums = lookup.sum_rows(weights, lookup.of_query)
            to_tables[2].baddbmm_(g.transpose(1, 2), sums)
            padded = lookup.pad(g)
            to_value[:, span] = lookup.unpad(weights.transpose(-2, -1) @ padded)
            inner = padded @ lookup.pad(v).transpose(-2, -1)
            inner += lookup.look_up([(g @ value_table, lookup.of_query)])
            # The gradient of the scores: weights * (products - their mean).
            inner = inner.mul_(weights)
            inner.addcmul_(weights, inner.sum(-1, keepdim=True), value=-1)
            sums = lookup.sum_rows(inner, lookup.of_query)
            to_tables[0].baddbmm_(q.transpose(1, 2), sums)
            found = lookup.unpad(inner @ lookup.pad(k))
            to_query[:, span] = found.baddbmm_(sums, query_table.transpose(1, 2))
            sums = lookup.sum_rows(inner, lookup.of_key)
            to_tables[1].baddbmm_(k.transpose(1, 2), sums)
            found = lookup.unpad(inner.transpose(-2, -1) @ lookup.pad(q))
            to_key[:, span] = found.baddbmm_(sums, key_table.transpose(1, 2))
        return to_query, to_key, to_value, *to_tables, None


class _Lookup:
    """Sums over the pairs of a part by the rows of tables, and back.

    Attributes:
        of_query: int64 `(axes, W * n * n)`, place in `(M, R)` of the pair's query and row.
        of_key: The same of its key.
    """

    def __init__(self, part: WindowPart, rows: int) -> None:
        self.part, self.rows = part, rows
        windows, places = part.slots.shape
        starts = part.slots * rows
        pairs = part.rows.T.long().view(-1, windows, places, places)
        self.of_query = (pairs + starts[:, :, None]).flatten(1)
        self.of_key = (pairs + starts[:, None]).flatten(1)

    def weights(self, query: Tensor, key: Tensor, query_table: Tensor, key_table: Tensor) -> Tensor:
        """Weights of all pairs `(H, W, n, n)`, 0 for padded places, of `(H, M, D)`."""
        scores = self.pad(query) @ self.pad(key).transpose(-2, -1)
        products = [(query @ query_table, self.of_query), (key @ key_table, self.of_key)]
        scores += self.look_up(products)
        filled = self.part.filled
        if filled is None:
            return torch.softmax(scores, dim=-1)
        scores.masked_fill_(~filled[:, None], -torch.inf)
        return torch.softmax(scores, dim=-1).mul_(filled[:, :, None])

    def look_up(self, products: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Sum over axes of products `(H, M, R)` at the places of the pairs: `(H, W, n, n)`."""
        heads = len(products[0][0])
        count = products[0][0][0].numel()
        # Heads last, so that a place is one run of numbers for all heads.
        values = torch.cat([product.flatten(1).T for product, _ in products])
        places = torch.cat([place + i * count for i, (_, place) in enumerate(products)]).T
        found = F.embedding_bag(places, values, mode="sum")  # (pairs, H)
        windows, sides = self.part.slots.shape
        return found.T.reshape(heads, windows, sides, sides)

    def sum_rows(self, weights: Tensor, places: Tensor) -> Tensor:
        """Sum of the pairs' weights `(H, W, n, n)` by voxel and row: `(H, M, R)`."""
        voxels = self.part.stop - self.part.start
        flat = weights.flatten(1)  # (H, W * n * n)
        sums = flat.new_zeros(len(flat), voxels * self.rows)
        for place in places:
            sums.scatter_add_(1, place.expand(len(flat), -1), flat)
        return sums.unflatten(1, (voxels, self.rows))

    def pad(self, x: Tensor) -> Tensor:
        """`(H, M, D)` to `(H, W, n, D)`; padded places hold any voxel."""
        if self.part.filled is None:
            return x.unflatten(1, self.part.slots.shape)
        return x[:, self.part.slots]

    def unpad(self, x: Tensor) -> Tensor:
        """`(H, W, n, D)` to `(H, M, D)`."""
        return x.flatten(1, 2) if self.part.filled is None else x[:, self.part.filled]
