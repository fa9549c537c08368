"""Manhattan self-attention: attention that fades with the Manhattan distance on the map.

"RMT: Retentive Networks Meet Vision Transformers", Fan et al., 2023, Section 3,
https://arxiv.org/abs/2309.11523. As in the published weights, and unlike in the paper, the
logarithm of the decay is added to the scores before the softmax.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.layers.attention import attend, lay_out_bias
from vision.layers.lean import Lean
from vision.layers.size_cache import SizeCache
from vision.ops.tracing import is_traced

# The most decays of a map that are made at once and kept: 128 MiB in float32. Small ones are faster
# so, as all blocks of a stage use the same.
WHOLE = 2**25
# The decays that are made at a time where there are more: 16 MiB in float32.
PART = 2**22


class ManhattanPrior(nn.Module):
    """The constants of a stage: rotations of queries and keys, and decays of the scores.

    The decay rates are a buffer, as in the published weights: they are float32 results of a
    logarithm whose last bit differs between processors, and the stored ones reproduce the
    published outputs. Angles are always float32 too, regardless of the precision of the model.

    Args:
        head_dim: Channels of a head, even.
        num_heads: Number of heads.
        init_value: The first head fades by the factor `1 - 2 ** -init_value` per step.
        head_range: Span of that exponent over the heads.
        decomposed: Whether rows and columns are attended to one after the other.
    """

    log_decay: Tensor

    def __init__(
        self,
        head_dim: int,
        *,
        num_heads: int,
        init_value: float,
        head_range: float,
        decomposed: bool,
    ) -> None:
        super().__init__()
        steps = torch.arange(num_heads, dtype=torch.float32)
        exponents = -init_value - head_range * steps / num_heads
        self.register_buffer("log_decay", (1 - 2**exponents).log())  # (heads,)
        # Always on the CPU, so that a model builds under "meta".
        spread = torch.linspace(0, 1, head_dim // 2, dtype=torch.float32, device="cpu")
        self.frequencies: list[float] = (1 / 10000**spread).tolist()
        self.decomposed = decomposed
        self._cache = SizeCache(maximum=16)

    def forward(self, x: Tensor, *, whole: bool = False) -> tuple[Tensor, ...]:
        """The constants for a map, in the type in which its attention is computed.

        Args:
            x: `(B, H, W, C)`.
            whole: Whether to make all decays of a large map too, for blocks that are compiled: the
                parts of a map would be other graphs for each size.

        Returns:
            The rotation `(2, H, W, 1, D)` for `rotate_pairs`, then the decays: `(1, heads, N, N)`,
            or the rates of the heads `(heads,)` where that would be large; decomposed, for a row
            `(1, heads, W, W)` and for a column `(1, heads, H, H)`.
        """
        height, width = x.shape[1:3]
        dtype = _attention_dtype(x)
        rotation = self._cache.get(
            ("rotation", height, width, dtype, x.device),
            lambda: self._rotation(height, width, _wide(dtype), x.device).to(dtype),
        )
        if self.decomposed:
            return rotation, *(self._decay((length,), dtype) for length in (width, height))
        whole = whole or is_traced()
        if not whole and len(self.log_decay) * (height * width) ** 2 > WHOLE:
            return rotation, self.log_decay
        return rotation, self._decay((height, width), dtype)

    def _rotation(
        self, height: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> Tensor:
        """Cosines and signed sines by position in row-major order, each angle for two channels."""
        position = torch.arange(height * width, device=device, dtype=dtype)
        frequency = torch.tensor(self.frequencies, device=device, dtype=dtype)
        angle = position[:, None] * frequency  # (N, D / 2)
        cos, sin = angle.cos(), angle.sin()
        pairs = torch.stack((cos, cos, -sin, sin), dim=-1).unflatten(-1, (2, 2))
        table = pairs.permute(2, 0, 1, 3)  # (2, N, D / 2, 2)
        return table.reshape(2, height, width, 1, -1)

    def _decay(self, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Rate of each head times the distances on a line or a map; made once per forward pass."""
        rate = self.log_decay.to(_wide(dtype))
        distances = self._cache.get(
            ("distances", size, rate.dtype, rate.device),
            lambda: _distances(size, rate.dtype, rate.device),
        )
        return lay_out_bias((rate.view(1, -1, 1, 1) * distances).to(dtype))


def _attention_dtype(x: Tensor) -> torch.dtype:
    if not x.is_meta and torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    return x.dtype


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _distances(size: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Manhattan distances between all positions of a line `(L,)` or a map `(H, W)`."""
    steps = []
    for length in size:
        index = torch.arange(length, device=device, dtype=dtype)
        steps.append((index[:, None] - index).abs())
    if len(steps) == 1:
        return steps[0]  # (L, L)
    vertical, horizontal = steps[0][:, None, :, None], steps[1][None, :, None, :]
    count = size[0] * size[1]
    return (vertical + horizontal).reshape(count, count)  # (N, N)


def rotate_pairs(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate each pair of adjacent channels by the angle of its position.

    Args:
        x: `(B, H, W, heads, D)`.
        rotation: `(2, H, W, 1, D)`: cosines, and sines that are negative for the first of a pair.

    Returns:
        The same shape.
    """
    cos, signed_sin = rotation.unbind(0)
    swapped = x.unflatten(-1, (-1, 2)).flip(-1).flatten(-2)
    return torch.addcmul(x * cos, swapped, signed_sin)


class ManhattanAttention(Lean):
    """Manhattan self-attention with local context enhancement (Section 3.2).

    Args:
        dim: Number of channels.
        num_heads: Number of heads.
    """

    def __init__(self, dim: int, *, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        # Values are projected separately from queries and keys, so that the convolution and the
        # attention read them without a copy.
        self.qk = nn.Linear(dim, 2 * dim)
        self.v = nn.Linear(dim, dim)
        self.local = nn.Conv2d(dim, dim, kernel_size=5, padding=2, groups=dim)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self,
        x: Tensor,
        rotation: Tensor,
        *decays: Tensor,
        norm: nn.Module | None = None,
        scale: Tensor | None = None,
    ) -> Tensor:
        """Map `x` `(B, H, W, C)` to the same shape.

        Args:
            x: The map.
            rotation: `(2, H, W, 1, D)`, made by `ManhattanPrior`.
            *decays: One for attention over the whole map, two for its decomposed form.
            norm: Normalises the map first, if there is a norm.
            scale: A factor on each channel of the result, `(C,)`.
        """
        batch, height, width, _ = x.shape
        qk, v = self.run_layer(
            lambda x: (self.qk(x), self.v(x)), lambda: x if norm is None else norm(x)
        )
        qk = qk.view(batch, height, width, 2 * self.num_heads, -1)
        qk = rotate_pairs(qk, rotation)  # (B, H, W, 2 * heads, D)
        local = self.local(v.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)  # (B, H, W, C)
        v = v.unflatten(-1, (self.num_heads, -1))  # (B, H, W, heads, D)
        if len(decays) == 2:
            out = self._attend_rows_then_columns(qk, v, *decays)
        elif decays[0].ndim == 1:
            out = _attend_in_parts(qk, v, decays[0]).reshape(batch, height, width, -1)
        else:
            out = _attend_lines(qk.flatten(1, 2), v.flatten(1, 2), decays[0])  # (B, N, heads, D)
            out = out.reshape(batch, height, width, -1)
        # The dense operand first: the sum takes its memory order, and `proj` needs no copy.
        together = local + out
        return self.run_scaled(self.proj, lambda: together, scale)

    def _attend_rows_then_columns(
        self, qk: Tensor, v: Tensor, row_decay: Tensor, column_decay: Tensor
    ) -> Tensor:
        batch, height, width = v.shape[:3]
        rows = _attend_lines(qk.flatten(0, 1), v.flatten(0, 1), row_decay)
        rows = rows.reshape(batch, height, width, self.num_heads, -1)  # (B, H, W, heads, D)
        out = self.run_layer(
            lambda qk, v: _attend_lines(qk, v, column_decay),
            lambda: qk.transpose(1, 2).flatten(0, 1),  # (B * W, H, 2 * heads, D)
            lambda: rows.transpose(1, 2).flatten(0, 1),  # (B * W, H, heads, D)
        )
        return out.reshape(batch, width, height, -1).transpose(1, 2)  # (B, H, W, C)


def _attend_in_parts(qk: Tensor, v: Tensor, rate: Tensor) -> Tensor:
    """Attention over a whole large map: `(B, H, W, heads, D)` for v, `(B, N, heads, D)` after it.

    The decays are made for a part of the queries at a time, and again in the backward pass.

    Args:
        qk: Queries and keys `(B, H, W, 2 * heads, D)`.
        v: Values.
        rate: Logarithm of each head's decay per step, `(heads,)`.
    """
    size = (qk.shape[1], qk.shape[2])
    q, k = qk.flatten(1, 2).transpose(1, 2).chunk(2, dim=1)  # (B, heads, N, D)
    out: Tensor = _InParts.apply(q, k, v.flatten(1, 2).transpose(1, 2), rate, size)
    return out.transpose(1, 2)


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, rate: Tensor, size: tuple[int, int]
    ) -> Tensor:
        ctx.size = size
        ctx.save_for_backward(query, key, value, rate)
        out = torch.empty_like(query.transpose(1, 2), memory_format=torch.contiguous_format)
        for part, decays in _decays_in_parts(rate, size, _wide(query.dtype)):
            mask = decays.to(query.dtype)[None]  # (1, heads, n, N)
            attended = F.scaled_dot_product_attention(query[:, :, part], key, value, attn_mask=mask)
            out[:, part] = attended.transpose(1, 2)
        return out.transpose(1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *kept, rate = ctx.saved_tensors
        dtype = _wide(grad.dtype)
        query, key, value, grad = (x.to(dtype) for x in (*kept, grad))
        to_query = torch.empty_like(query)
        to_key, to_value = torch.zeros_like(key), torch.zeros_like(value)
        tensors = (query, key, value, grad, to_query, to_key, to_value)
        with torch.autocast(grad.device.type, enabled=False):
            for image in zip(*tensors, strict=True):
                for part, decays in _decays_in_parts(rate, ctx.size, dtype):
                    _differentiate(image, part, decays)
        grads = (x.to(kept[0].dtype) for x in (to_query, to_key, to_value))
        return *grads, None, None


def _differentiate(image: Sequence[Tensor], part: slice, decays: Tensor) -> None:
    """Write the gradients of a part of an image's queries, and add those of keys and values.

    Args:
        image: Queries, keys, values, gradient of the result, and where the gradients of the first
            three go, each `(heads, N, D)`.
        part: The positions of the queries.
        decays: `(heads, n, N)`, which are overwritten.
    """
    query, key, value, grad, to_query, to_key, to_value = image
    query, grad, scale = query[:, part], grad[:, part], query.shape[-1] ** -0.5
    scores = decays.baddbmm_(query, key.mT, alpha=scale)  # (heads, n, N)
    weights = torch.softmax(scores, dim=-1, out=scores)
    to_value.baddbmm_(weights.mT, grad)
    inner = torch.bmm(grad, value.mT).mul_(weights)
    # The gradient of the scores: weights * (products - their mean).
    inner.addcmul_(weights, inner.sum(-1, keepdim=True), value=-1)
    to_query[:, part] = torch.bmm(inner, key).mul_(scale)
    to_key.baddbmm_(inner.mT, query, alpha=scale)


def _decays_in_parts(
    rate: Tensor, size: tuple[int, int], dtype: torch.dtype
) -> Iterator[tuple[slice, Tensor]]:
    """Which positions come next, and their decays `(heads, n, N)`, in memory used for all parts."""
    (height, width), heads = size, len(rate)
    count = height * width
    step = max(1, PART // (heads * count))
    rate = rate.to(dtype).view(-1, 1, 1)
    rows, columns = (_distances((length,), dtype, rate.device) for length in size)
    distances = rate.new_empty(step, height, width)
    decays = rate.new_empty(heads, step, count)
    for start in range(0, count, step):
        position = torch.arange(start, min(start + step, count), device=rate.device)
        n = len(position)
        vertical, horizontal = rows[position // width], columns[position % width]
        torch.add(vertical[:, :, None], horizontal[:, None], out=distances[:n])
        torch.mul(rate, distances[:n].flatten(1), out=decays[:, :n])
        yield slice(start, start + n), decays[:, :n]


def _attend_lines(qk: Tensor, v: Tensor, decay: Tensor) -> Tensor:
    """Attention within each line of tokens: `(lines, L, heads, D)` for v and the result."""
    q, k = qk.transpose(1, 2).chunk(2, dim=1)  # (lines, heads, L, D)
    return attend(q, k, v.transpose(1, 2), bias=decay).transpose(1, 2)
