"""The focal loss over many boxes and classes, in little memory."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from vision.ops.boxes import at_least_float32
from vision.ops.matching import IGNORED


def sigmoid_focal_loss(
    logits: Tensor, labels: Tensor, *, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Sum of the focal loss of one sigmoid per class.

    "Focal Loss for Dense Object Detection", Lin et al., 2017, equation 5. Almost all terms belong
    to absent classes: they are summed in one pass whose gradient is computed again from the
    logits, and the few present classes are corrected after it. One-hot targets and intermediate
    tensors, each as large as the logits in float32, are not kept for the backward pass.

    Args:
        logits: float `(..., K)`, before the sigmoid.
        labels: int64 `(...)`: class index, `BACKGROUND` where no class is present, `IGNORED` where
            no term counts (both of `vision.ops.matching`).
        alpha: Weight of a present class, in [0, 1]; an absent one has `1 - alpha`.
        gamma: Exponent of the modulating factor `1 - p_t`, 0 or more.

    Returns:
        `()` in float32 at least.
    """
    present = labels >= 0
    absent = (1 - alpha) * _AbsentClasses.apply(logits, labels != IGNORED, gamma)
    own = logits.gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    own = at_least_float32(own)
    as_present = (1 - own.sigmoid()) ** gamma * F.softplus(-own)
    as_absent = own.sigmoid() ** gamma * F.softplus(own)
    change = alpha * as_present - (1 - alpha) * as_absent
    return absent + change.where(present, 0).sum()


class _AbsentClasses(torch.autograd.Function):
    """Sum of `sigmoid(x) ** gamma * softplus(x)` over the logits of rows that count."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, counts: Tensor, gamma: float) -> Tensor:
        """Logits `(..., K)` and bool `(...)` to `()`."""
        ctx.save_for_backward(logits, counts)
        ctx.gamma = gamma
        logits = at_least_float32(logits)
        terms = F.softplus(logits).mul_(logits.sigmoid().pow_(gamma))
        return terms.sum(dim=-1).where(counts, 0).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of the logits: `p ** gamma * (gamma * (1 - p) * softplus(x) + p)`."""
        logits, counts = ctx.saved_tensors
        x = at_least_float32(logits)
        p = x.sigmoid()
        slope = F.softplus(x).mul_(1 - p).mul_(ctx.gamma).add_(p).mul_(p.pow_(ctx.gamma))
        return slope.mul_(grad.where(counts, 0)[..., None]).to(logits.dtype), None, None
