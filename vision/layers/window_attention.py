"""Multi-head attention inside the windows of a map, plain and shifted, in images and volumes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.errors import ConfigError
from vision.layers.attention import attend, attend_recomputed, lay_out_bias
from vision.layers.lean import Lean
from vision.layers.window import (
    ceil_div,
    from_windows,
    pad_map,
    regroup,
    shifted_bias_rows,
    to_windows,
)


class WindowGroups(NamedTuple):
    """The windows of a shifted map, sorted by the mask that they have.

    Attributes:
        kinds: Mask of each group.
        counts: Windows of each group in a map.
        order: `(windows,)` windows, group by group.
        back: `(windows,)` place of each window in `order`.
    """

    kinds: list[int]
    counts: list[int]
    order: Tensor
    back: Tensor


class WindowPlan(NamedTuple):
    """How the blocks of a stage cut their map into windows; an entry per axis of the map.

    Attributes:
        window: Sides of a window.
        shift: Cells by which every second block shifts the map; 0 for no shift.
        size: Sides of the map; empty where each block takes them from its input.
        grid: Windows along each axis, which cover the map; empty likewise.
        positions: `(N, N)` row of the bias table for each pair of positions in a window.
        masks: `(2 ** axes, N, N)` biases of the windows of a shifted map; None without a shift.
        bias_rows: `(windows * heads,)` which of the sums of a mask and a head's bias each window
            and head of a shifted map has; None without a shift, or with groups.
        groups: The windows sorted by their mask, so that the biases need no copies for each window;
            None without a shift, or with bias rows.
    """

    window: tuple[int, ...]
    shift: tuple[int, ...]
    size: tuple[int, ...]
    grid: tuple[int, ...]
    positions: Tensor
    masks: Tensor | None = None
    bias_rows: Tensor | None = None
    groups: WindowGroups | None = None


class WindowAttention(Lean):
    """Multi-head attention inside windows with a bias per relative position.

    "Swin Transformer", 2021, https://arxiv.org/abs/2103.14030, equation 4.

    Args:
        dim: Width of a token.
        num_heads: Number of heads.
        window_size: Sides of the window that the bias table is made for.
        qkv_bias: Whether queries, keys and values have a bias.
        qk_scale: Factor on the scores; the inverse square root of a head's width if None.
        attn_drop_rate: Probability of dropping an attention weight.
        drop_rate: Probability of dropping an output value.
        recompute: Whether the backward pass computes the attention weights again in any case,
            which saves memory where windows are large.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        window_size: Sequence[int],
        qkv_bias: bool = True,
        qk_scale: float | None = None,
        attn_drop_rate: float = 0.0,
        drop_rate: float = 0.0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ConfigError(
                f"a width of {dim} cannot be shared by {num_heads} heads; num_heads must divide it."
            )
        self.num_heads = num_heads
        self.scale = qk_scale or (dim // num_heads) ** -0.5
        self.attn_drop_rate, self.recompute = attn_drop_rate, recompute
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        rows = math.prod(2 * side - 1 for side in window_size)
        self.relative_position_bias_table = nn.Parameter(torch.empty(rows, num_heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.proj = nn.Linear(dim, dim)
        self.dropout = nn.Dropout(drop_rate)

    def forward(
        self, x: Tensor, plan: WindowPlan, shifted: bool, *, norm: nn.Module | None = None
    ) -> Tensor:
        """Attend inside windows.

        Args:
            x: `(B, *size, C)`.
            plan: How the map is cut into windows.
            shifted: Whether the windows are shifted where the plan has a shift.
            norm: Normalises the tokens first, if there is a norm.

        Returns:
            `(B, *size, C)`.
        """
        if not plan.size:
            plan = _complete(plan, x, self.num_heads)
        padded = [count * side for count, side in zip(plan.grid, plan.window, strict=True)]
        missing = [whole - side for whole, side in zip(padded, plan.size, strict=True)]
        axes = tuple(range(1, x.ndim - 1))
        shifted = shifted and any(plan.shift)

        def windows() -> Tensor:
            # Zeros enter before the projection, whose bias makes them attend.
            y = pad_map(x if norm is None else norm(x), missing)
            if shifted:
                y = torch.roll(y, tuple(-shift for shift in plan.shift), axes)
            y = to_windows(y, plan.window)  # (B * windows, N, C)
            if shifted and plan.groups is not None:
                y = y.unflatten(0, (-1, len(plan.groups.order)))
                y = y.index_select(1, plan.groups.order)  # (B, windows, N, C)
            return y

        qkv = self.run_layer(self.qkv, windows)
        if shifted and plan.groups is not None:
            out = self._attend_grouped(qkv, plan, plan.groups)
        else:
            out = self._attend(qkv, *self._bias(plan, shifted), x.shape[0])

        def tokens() -> Tensor:
            y = from_windows(out, plan.window, padded)
            if shifted:
                y = torch.roll(y, plan.shift, axes)
            return pad_map(y, [-cells for cells in missing])

        return self.dropout(self.proj(tokens()))

    def _attend(self, qkv: Tensor, bias: Tensor, rows: Tensor | None, batch: int) -> Tensor:
        """Attend inside windows.

        Args:
            qkv: `(B * windows, N, 3 * C)`.
            bias: `(heads, N, N)`, or one for each kind of window and head.
            rows: Which `bias` each window and head of a map has; None if all windows have the same.
            batch: B.

        Returns:
            `(B * windows, N, C)`.
        """
        (count, pairs, _), heads = qkv.shape, self.num_heads
        qkv = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        if rows is not None:
            # Windows and heads share an axis, so that the bias needs no copies along the batch.
            qkv = regroup(qkv, 3, batch, rows.shape[0], pairs)
        q, k, v = qkv.unbind()  # (B * windows, heads, N, D) or (B, windows * heads, N, D)
        dropout = self.attn_drop_rate if self.training else 0.0
        bias = bias.to(q.dtype)
        if dropout == 0 and (self.recompute or self.keeps_less()):
            x = attend_recomputed(q, k, v, bias=bias, scale=self.scale, rows=rows)
        else:
            bias = lay_out_bias(bias, rows)[None]
            x = attend(q, k, v, bias=bias, scale=self.scale, dropout=dropout)
        if rows is not None:
            x = regroup(x, count, heads, pairs)  # (B * windows, heads, N, D)
        return x.transpose(1, 2).flatten(2)  # (B * windows, N, C)

    def _attend_grouped(self, qkv: Tensor, plan: WindowPlan, groups: WindowGroups) -> Tensor:
        """Attend inside the windows of a shifted map, mask by mask.

        Args:
            qkv: `(B, windows, N, 3 * C)`, in the order of the groups.
            plan: How the map is cut into windows.
            groups: Its windows by mask.

        Returns:
            `(B * windows, N, C)`, in the order of the map.
        """
        assert plan.masks is not None, "groups come with masks"
        (bias, _), outputs = self._bias(plan, False), []
        for kind, group in zip(groups.kinds, qkv.split(groups.counts, dim=1), strict=True):
            # Not `len(group)`, which would make the batch a constant of an exported program.
            y = self._attend(group.flatten(0, 1), bias + plan.masks[kind], None, group.shape[0])
            outputs.append(y.unflatten(0, group.shape[:2]))
        return torch.cat(outputs, dim=1).index_select(1, groups.back).flatten(0, 1)

    def _bias(self, plan: WindowPlan, shifted: bool) -> tuple[Tensor, Tensor | None]:
        """Bias on the scores `(heads, N, N)`, or of each kind of window, and which one each has."""
        pairs = plan.positions.shape[0]
        bias = F.embedding(plan.positions.flatten(), self.relative_position_bias_table)
        bias = bias.t().reshape(self.num_heads, pairs, pairs)
        if not shifted or plan.masks is None or plan.bias_rows is None:
            return bias, None
        bias = (bias + plan.masks[:, None]).flatten(0, 1)  # (masks * heads, N, N)
        return bias, plan.bias_rows


def leave_sizes(plan: WindowPlan) -> WindowPlan:
    """Leave to each block what depends on the size of the map, for blocks that are compiled.

    Sizes beside the input would be unknowns of their own to the compiler, which takes minutes to
    compare them with the input's.
    """
    return plan._replace(size=(), grid=(), bias_rows=None)


def _complete(plan: WindowPlan, x: Tensor, heads: int) -> WindowPlan:
    """Add what `leave_sizes` left out, for an input `(B, *size, C)`."""
    size = tuple(x.shape[1:-1])
    grid = tuple(ceil_div(n, side) for n, side in zip(size, plan.window, strict=True))
    masked = plan.masks is not None
    rows = shifted_bias_rows(grid, heads, device=x.device) if masked else None
    return plan._replace(size=size, grid=grid, bias_rows=rows)


def group_sizes(grid: Sequence[int], shift: Sequence[int]) -> tuple[list[int], list[int]]:
    """The masks that the windows of a shifted map have, and how many windows have each.

    Args:
        grid: Windows along each axis, more than one where there is a shift.
        shift: Cells of the shift along each axis.

    Returns:
        `WindowGroups.kinds` and `counts`.
    """
    kinds, counts = [0], [1]
    for count, cells in zip(grid, shift, strict=True):
        if cells:
            kinds = [2 * kind + last for kind in kinds for last in (0, 1)]
            counts = [number * n for number in counts for n in (count - 1, 1)]
        else:
            kinds, counts = [2 * kind for kind in kinds], [number * count for number in counts]
    return kinds, counts


def group_order(
    grid: Sequence[int], shift: Sequence[int], *, device: torch.device | None = None
) -> Tensor:
    """Sort the windows of a shifted map by their mask: `WindowGroups.order` and `back`.

    Args:
        grid: Windows along each axis.
        shift: Cells of the shift along each axis.
        device: Where to make it.

    Returns:
        int64 `(2, windows)`.
    """
    # Cut in two along each shifted axis; a stable sort by kind, which gives the same, has no ONNX.
    groups = [torch.arange(math.prod(grid), device=device).view(*grid)]
    for axis, (count, cells) in enumerate(zip(grid, shift, strict=True)):
        if cells:
            groups = [part for group in groups for part in group.split([count - 1, 1], dim=axis)]
    order = torch.cat([group.flatten() for group in groups])
    return torch.stack([order, order.argsort()])
