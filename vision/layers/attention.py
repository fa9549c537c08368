"""Scaled dot-product attention with an additive bias."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.ops.tracing import is_traced

# Rows of a bias start at multiples of this many numbers in PyTorch's memory-efficient kernel.
ROW = 8


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention ("Attention Is All You Need", 2017, equation 1) plus a bias on the scores.

    Runs on PyTorch's fused kernels where there are any. ONNX conversion of the fused operator with
    a mask fails (torch 2.15), so that an export gets plain matrix products and a softmax instead.

    Args:
        query: `(..., heads, N, D)`.
        key: `(..., heads, L, D)`.
        value: `(..., heads, L, D)`.
        bias: Added to the scaled scores; broadcasts to `(..., heads, N, L)`.
        scale: Factor on the scores; `D ** -0.5` if None.
        dropout: Probability of dropping an attention weight; give 0 in evaluation.

    Returns:
        `(..., heads, N, D)`.
    """
    if _has_fused_kernel(query, bias):
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale
        )
    scale = int(query.shape[-1]) ** -0.5 if scale is None else scale
    scores = (query * scale) @ key.transpose(-2, -1)  # (..., heads, N, L)
    if bias is not None:
        scores = scores + bias
    weights = scores.softmax(dim=-1)
    if dropout > 0:
        weights = F.dropout(weights, dropout)
    return weights @ value  # (..., heads, N, D)


def lay_out_bias(bias: Tensor, rows: Tensor | None = None) -> Tensor:
    """Choose biases, and lay them out in memory as the fused kernels of a GPU read them.

    These need numbers of a row side by side, or else PyTorch computes without them; and rows that
    start at multiples of 8 numbers, or else each call makes a copy that has them.

    Args:
        bias: `(..., N, L)`.
        rows: int64, entries of the first axis to choose; None for all, in their order.

    Returns:
        `(..., N, L)`; on the CPU as it comes.
    """
    if _is_for_gpu(bias):
        # While compiling, the compiler aligns rows, and no branch may depend on their length.
        missing = 0 if is_traced() else -bias.shape[-1] % ROW
        wide = F.pad(bias, (0, missing)) if missing else bias.contiguous()
        chosen = wide if rows is None else wide.index_select(0, rows)
        return chosen[..., : bias.shape[-1]]
    return bias if rows is None else bias.index_select(0, rows)


def _is_for_gpu(bias: Tensor) -> bool:
    return bias.is_cuda


def is_exporting() -> bool:
    """Whether the model is being exported, by `torch.export` or to ONNX, and not compiled.

    In torch 2.11 `torch.compiler.is_exporting()` is true under `torch.compile` too.
    """
    exporting = torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
    return exporting or torch.onnx.is_in_onnx_export()


def _has_fused_kernel(query: Tensor, bias: Tensor | None) -> bool:
    """Whether the fused operator serves better than plain matrix products."""
    if is_exporting():
        return False
    # The CPU's kernel gives no gradient to a bias; what replaces it then is slower than this.
    return not (bias is not None and bias.requires_grad and query.device.type == "cpu")


def attend_recomputed(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    bias: Tensor,
    scale: float,
    rows: Tensor | None = None,
) -> Tensor:
    """`attend` of many small sets with few biases, whose weights are not kept for the gradient.

    On the CPU PyTorch's fused kernel gives no gradient to a bias, and plain matrix products keep
    the weights of all sets, which are much of the memory of attention inside windows. Here the
    backward pass computes the weights again, a part of the sets at a time.

    Args:
        query: `(B, heads, N, D)`.
        key: `(B, heads, N, D)`.
        value: `(B, heads, N, D)`.
        bias: `(heads, N, N)`, added to the scaled scores.
        scale: Factor on the scores.
        rows: int64 `(heads,)`, which row of `bias` `(rows, N, N)` each head has; None for its own.

    Returns:
        `(B, heads, N, D)`.
    """
    if is_traced() or query.device.type != "cpu" or not bias.requires_grad:
        return attend(query, key, value, bias=lay_out_bias(bias, rows)[None], scale=scale)
    result: Tensor = _Recomputed.apply(query, key, value, bias, rows, scale)
    return result


# Attention weights that the backward pass computes at a time: 4 MB in float32.
_WEIGHTS = 2**20


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        rows: Tensor | None,
        scale: float,
    ) -> Tensor:
        ctx.scale = scale
        ctx.save_for_backward(query, key, value, bias, rows)
        # A bias that asks for a gradient would keep the fused kernel away here too.
        mask = lay_out_bias(bias.detach(), rows)[None]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias, rows = ctx.saved_tensors
        to_query, to_key, to_value = query.new_empty((3, *query.shape)).unbind()
        to_bias = torch.zeros_like(bias, dtype=torch.promote_types(bias.dtype, torch.float32))
        # Parts of the batch, or where heads are many, as those of all windows of a map, of these.
        axis = 0 if rows is None else 1
        tensors = (query, key, value, grad, to_query, to_key, to_value)
        each = query.shape[1 - axis] * query.shape[2] ** 2
        step = max(1, _WEIGHTS // each)
        for start in range(0, query.shape[axis], step):
            part = [x.narrow(axis, start, min(step, x.shape[axis] - start)) for x in tensors]
            chosen = None if rows is None else rows[start : start + step]
            inner = _differentiate(part, lay_out_bias(bias, chosen), ctx.scale)
            inner = inner.sum(0, dtype=to_bias.dtype)
            if chosen is None:
                to_bias += inner
            else:
                to_bias.index_add_(0, chosen, inner)
        return to_query, to_key, to_value, to_bias.to(bias.dtype), None, None


def _differentiate(part: Sequence[Tensor], bias: Tensor, scale: float) -> Tensor:
    """Write the gradients of queries, keys and values, and return that of the scores.

    Args:
        part: Queries, keys, values, gradient of the result, and where to write theirs, each
            `(B, heads, N, D)`.
        bias: `(heads, N, N)`.
        scale: Factor on the scores.

    Returns:
        `(B, heads, N, N)`.
    """
    query, key, value, grad, to_query, to_key, to_value = part
    query = query * scale
    scores = (query @ key.transpose(-2, -1)).add_(bias)  # (B, heads, N, N)
    weights = torch.softmax(scores, dim=-1, out=scores)
    to_value.copy_(weights.transpose(-2, -1) @ grad)
    inner = (grad @ value.transpose(-2, -1)).mul_(weights)
    # The gradient of the scores: weights * (products - their mean).
    inner.addcmul_(weights, inner.sum(-1, keepdim=True), value=-1)
    to_query.copy_((inner @ key).mul_(scale))
    to_key.copy_(inner.transpose(-2, -1) @ query)
    return inner
