"""Scaled dot-product attention with an additive bias."""

import torch
from torch import Tensor
from torch.nn import functional as F


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
